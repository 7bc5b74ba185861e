"""Settings: a flag over the environment over the default; secrets from files."""

from dataclasses import fields
from pathlib import Path

import pytest

from theodora.config import SETTINGS, Config, RateLimit, load
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
    file.write_text("from a file\n")
    environment = {
        "THEODORA_BOOTSTRAP_API_KEY": "from the environment",
        "THEODORA_BOOTSTRAP_API_KEY_FILE": str(file),
    }
    assert load(environment, {}).bootstrap_api_key == "from a file"
    with pytest.raises(UnusableSetting, match="THEODORA_BOOTSTRAP_API_KEY_FILE: cannot read"):
        load({"THEODORA_BOOTSTRAP_API_KEY_FILE": str(tmp_path / "none")}, {})
