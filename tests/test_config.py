"""Settings: a flag over the environment over the default; secrets from files."""

from dataclasses import fields
from pathlib import Path

import pytest

from theodora.config import SETTINGS, Config, RateLimit, check_names, load
from theodora.errors import UnusableSetting


def test_every_setting_is_in_the_table_and_says_what_it_means() -> None:
    assert [setting.name for setting in SETTINGS] == [field.name for field in fields(Config)]
    for setting in SETTINGS:
        assert setting.help
        assert setting.form
        assert setting.variable == f"THEODORA_{setting.name.upper()}"


def test_the_defaults_are_usable() -> None:
    config = load({}, {})
    assert config.database == "sqlite:///theodora.db"
    assert config.rate_limit_dora_ingest == RateLimit(250_000, 60)
    assert config.timestamps == "auto"


def test_a_flag_goes_before_the_environment_before_the_default() -> None:
    environment = {"THEODORA_HOST": "0.0.0.0"}
    assert load({}, {}).host == "127.0.0.1"
    assert load(environment, {}).host == "0.0.0.0"
    assert load(environment, {"host": "::1"}).host == "::1"
    assert load(environment, {"host": None}).host == "0.0.0.0"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(("port", ""), ("port", "x"), ("port", "1.5"), ("max_json_bytes", "5 MiB")),
        *(("timestamps", "AUTO"), ("log_level", "loud"), ("log_format", ""), ("log_requests", "x")),
        *(("port", "-1"), ("port", "65536"), ("port", "٣"), ("workers", "0"), ("workers", "-2")),
        *(("session_idle_minutes", "0"), ("max_connections", "0"), ("max_header_bytes", "10")),
        *(("retention_max_percent", "0"), ("retention_max_percent", "101"), ("port", "9" * 999)),
        *(("host", ""), ("host", "a b"), ("host", "a\x1b[2J"), ("path_prefix", "/a?b")),
        *(("git_folder", "a\nb"), ("rate_limit_dora_read", "-1/60")),
        *(("trusted_proxies", "proxy.local"), ("trusted_proxies", "10.0.0.0/99")),
        *(("rate_limit_dora_write", "x"), ("rate_limit_unauthenticated", "1/0")),
    ],
)
def test_a_value_of_another_form_is_refused_with_its_place(name: str, text: str) -> None:
    with pytest.raises(UnusableSetting, match=f'^THEODORA_{name.upper()}: "'):
        load({f"THEODORA_{name.upper()}": text}, {})
    with pytest.raises(UnusableSetting, match=f'^--{name.replace("_", "-")}: "'):
        load({}, {name: text})


@pytest.mark.parametrize("written", ["dora", "/dora", "dora/", "//dora//"])
def test_a_prefix_may_be_written_in_any_way(written: str) -> None:
    assert load({"THEODORA_PATH_PREFIX": written}, {}).path_prefix == "/dora"


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("f" * 32 + "\n")
    environment = {
        "THEODORA_BOOTSTRAP_API_KEY": "e" * 32,
        "THEODORA_BOOTSTRAP_API_KEY_FILE": str(file),
    }
    assert load(environment, {}).bootstrap_api_key == "f" * 32
    with pytest.raises(UnusableSetting, match="THEODORA_BOOTSTRAP_API_KEY_FILE: cannot read"):
        load({"THEODORA_BOOTSTRAP_API_KEY_FILE": str(tmp_path / "none")}, {})


def test_every_problem_has_a_line(tmp_path: Path) -> None:
    binary = tmp_path / "key"
    binary.write_bytes(b"\xff" * 40)
    environment = {
        "THEODORA_PORT": "many",
        "THEODORA_WORKERS": "-1",
        "THEODORA_GIT_FOLDER": "a\nb\x1b[2J",
        "THEODORA_BOOTSTRAP_API_KEY_FILE": str(binary),
    }
    with pytest.raises(UnusableSetting) as refused:
        load(environment, {})
    lines = str(refused.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == list(environment)
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize("name", ["bootstrap_api_key", "bootstrap_app_key"])
@pytest.mark.parametrize("key", ["k", "k" * 31, " " + "k" * 40, "k" * 40 + "\x7f", "é" * 40])
def test_a_key_that_could_be_guessed_or_not_be_sent_is_refused_and_not_shown(
    name: str, key: str
) -> None:
    variable = f"THEODORA_{name.upper()}"
    with pytest.raises(UnusableSetting) as refused:
        load({variable: key}, {})
    assert str(refused.value).startswith(f"{variable}: the value must be a key of at least 32")
    assert key not in str(refused.value).replace("key", "")
    assert getattr(load({variable: "k" * 32}, {}), name) == "k" * 32


def test_trusting_everybody_takes_a_word_of_consent() -> None:
    for text in ("*", "*,10.0.0.0/8", "*,yes"):
        with pytest.raises(UnusableSetting, match=r"^--trusted-proxies: \* believes") as refused:
            load({}, {"trusted_proxies": text})
        assert "write *,anyone-may-lie" in str(refused.value)
    assert load({}, {"trusted_proxies": "*,anyone-may-lie"}).trusted_proxies == ("*",)
    with pytest.raises(UnusableSetting):
        load({}, {"trusted_proxies": "anyone-may-lie"})


def test_unknown_settings_are_named_with_what_was_meant() -> None:
    check_names({"THEODORA_PORT": "1", "THEODORA_BOOTSTRAP_API_KEY_FILE": "", "PATH": "/bin"})
    with pytest.raises(UnusableSetting) as refused:
        check_names({"THEODORA_DATABSE": "x", "THEODORA_QQQQ": "x", "THEODORA_PORT_FILE": "x"})
    assert str(refused.value).splitlines() == [
        "THEODORA_DATABSE: there is no such setting (did you mean THEODORA_DATABASE?)",
        "THEODORA_PORT_FILE: there is no such setting (did you mean THEODORA_PORT?)",
        "THEODORA_QQQQ: there is no such setting; see docs/settings.md",
    ]


def test_a_database_is_not_shown_where_it_cannot_be_used() -> None:
    with pytest.raises(UnusableSetting) as refused:
        load({"THEODORA_DATABASE": "postgresql://u:secret@host/x\n"}, {})
    assert "secret" not in str(refused.value)
