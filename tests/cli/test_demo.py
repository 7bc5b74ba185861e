"""`theodora demo`."""

import re
from pathlib import Path

from click.testing import CliRunner

from theodora.cli import main
from theodora.storage import Store


def test_the_demo_is_loaded_into_an_organisation(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'theodora.db'}"
    result = CliRunner().invoke(main, ["demo", "--org", "shop"], env={"THEODORA_DATABASE": url})
    assert result.exit_code == 0
    loaded = re.fullmatch(r"loaded ([\d,]+) events into organisation shop\n", result.stdout)
    assert loaded
    with Store(url) as store:
        count = store.deployments.count() + store.failures.count()
    assert int(loaded[1].replace(",", "")) == count > 2_000
