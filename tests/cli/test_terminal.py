"""Nothing that others wrote acts on a terminal or ends a line of the log."""

import json
import re
import subprocess
import sys

import msgspec
import pytest

from actors import TESTER
from commands import Run
from repositories import hourly_commits
from theodora.cli.terminal import json_text, safe_json, safe_lines
from theodora.events import Deployment, Git
from theodora.storage import Store

HOSTILE = "a\x1b]0;owned\x07b\x9b31mc\u202ed\rline"
ACTING = ("\x1b", "\x07", "\x9b", "\u202e", "\r", "\x7f")
REPOSITORY = "github.com/acme/web"
SHAS = [letter * 40 for letter in "ab"]


def acts(text: str) -> list[str]:
    return [each for each in ACTING if each in text]


def test_lines_keep_their_ends_alone() -> None:
    assert safe_lines("one\ntwo\x1b[2J") == "one\ntwo\N{SYMBOL FOR ESCAPE}[2J"


def test_json_says_the_same_without_what_acts() -> None:
    text = json_text({"name": HOSTILE})
    assert acts(text) == []
    assert json.loads(text) == {"name": HOSTILE}
    assert safe_json(b'"web"') == '"web"'


@pytest.mark.parametrize("form", ["text", "json"])
def test_an_explanation_shows_subjects_of_commits_as_text(run: Run, url: str, form: str) -> None:
    with Store(url) as store:
        org = store.keys.ensure_organisation("default", 1, actor=TESTER).result()
        first, second = hourly_commits(SHAS, 10**18)
        hostile = msgspec.structs.replace(second, subject=HOSTILE)
        store.commits.add_commits(org, REPOSITORY, [first, hostile], actor=TESTER).result()
        for number, sha in enumerate(SHAS):
            at_ns = 10**18 + (10 + number) * 3_600 * 10**9
            event = Deployment(
                id=f"deployment-{number}",
                service="web",
                started_at_ns=at_ns,
                finished_at_ns=at_ns,
                git=Git(sha, f"https://{REPOSITORY}"),
            )
            store.deployments.add(org, event, 1, actor=TESTER).result()
        store.derivations.derive_all_queued(actor=TESTER)
    result = run("explain", "deployment-1", "--format", form)
    assert result.exit_code == 0, result.output
    assert "owned" in result.stdout
    assert acts(result.stdout) == []


def test_keys_show_their_names_as_text(run: Run) -> None:
    run("keys", "create", "api", "--name", HOSTILE)
    listed = run("keys", "list").stdout
    assert "owned" in listed
    assert acts(listed) == []
    assert len(listed.splitlines()) == 1


def test_an_error_shows_what_was_typed_as_text(run: Run) -> None:
    run("keys", "create", "api")
    failed = run("keys", "revoke", HOSTILE)
    assert failed.exit_code == 1
    assert "owned" in failed.stderr
    assert acts(failed.stderr) == []


_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
"""What the console's own lines have; a text that was written holds none."""
_LOG = """
import logging, os, structlog
from theodora.cli.logs import configure_logs
from theodora.config import load
configure_logs(load({"THEODORA_LOG_FORMAT": os.environ["FORM"]}, {}))
text = os.environ["TEXT"]
structlog.get_logger().warning("fetched", error=text, place=text)
logging.getLogger("uvicorn").warning(text)
try:
    raise ValueError(text)
except ValueError:
    structlog.get_logger().exception("failed")
"""


@pytest.mark.parametrize("form", ["text", "json"])
def test_log_lines_hold_nothing_that_acts(form: str) -> None:
    text = HOSTILE + "\nforged line"
    done = subprocess.run(
        [sys.executable, "-c", _LOG],
        env={"FORM": form, "TEXT": text, "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        check=True,
        text=True,
    )
    plain = _COLOUR.sub("", done.stderr)
    assert "owned" in plain
    assert acts(plain.replace("\n", "")) == []
    if form == "json":
        lines = [json.loads(line) for line in plain.splitlines()]
        assert lines[0]["error"] == text
        assert len(lines) == 3
    else:
        assert not [line for line in plain.splitlines()[:2] if line.startswith("forged")]
