"""Pages that are made from tables say what the tables say."""

from pathlib import Path

from theodora.config import SETTINGS, Config

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"


def settings_page() -> str:
    """`docs/settings.md`; run this file to write it anew."""
    rows = [
        f"| `{setting.variable}` | {'' if setting.secret else f'`{setting.flag}`'} "
        f"| {f'`{setting.default}`' if setting.default else ''} | {setting.help} "
        f"| {setting.form} |"
        for setting in SETTINGS
    ]
    return "\n".join(
        [
            "# Settings",
            "",
            "Each setting is an environment variable and, unless it is a secret, a flag of",
            "`theodora serve`; a flag wins over the environment. A secret may also come from a",
            "file: `THEODORA_<NAME>_FILE` names it.",
            "",
            "| variable | flag | default | meaning | form |",
            "|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def test_the_page_of_settings_is_up_to_date() -> None:
    assert PAGE.read_text() == settings_page(), f"run python {__file__}"


def test_every_setting_has_a_member_and_the_other_way_round() -> None:
    assert [setting.name for setting in SETTINGS] == list(Config.__dataclass_fields__)


def test_every_default_is_a_value_of_its_setting() -> None:
    for setting in SETTINGS:
        setting.read(setting.default, setting.name)


if __name__ == "__main__":
    PAGE.write_text(settings_page())
