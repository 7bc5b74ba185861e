"""Settings that exclude commits by author or label: previewed, set, and cleared again."""

import json
import re
from pathlib import Path

import msgspec
from click.testing import CliRunner

from actors import TESTER
from repositories import hourly_commits
from storage.derivation.test_commit_times import (
    HOUR_NS,
    REPOSITORY_ID,
    SHAS,
    START_NS,
    deployment,
    measured,
    put,
)
from theodora.cli import main
from theodora.dora import PullRequest
from theodora.storage import Organisation, Store

DOCS = Path(__file__).parents[3] / "docs" / "commits.md"


def fill(store: Store, org: Organisation) -> None:
    """A baseline, and a deployment of a bot's commit and of one without an author."""
    plain = hourly_commits(SHAS, START_NS)
    bot = msgspec.structs.replace(plain[1], author_name="renovate", author_email="renovate@x.org")
    store.commits.add_commits(org, REPOSITORY_ID, [plain[0], bot, plain[2]], actor=TESTER).result()
    put(store, org, deployment("one", 0.5, SHAS[0]), deployment("two", 5, SHAS[2]))


def label(store: Store, org: Organisation, *labels: str) -> None:
    """Gives the last commit a pull request with these labels."""
    pull_request = PullRequest(
        number=1, labels=labels, merge_commit_sha=SHAS[2], merged_at_ns=START_NS + 3 * HOUR_NS
    )
    store.commits.add_pull_requests(org, REPOSITORY_ID, [pull_request], actor=TESTER).result()
    store.derivations.derive_all_queued(actor=TESTER)


def hours(store: Store, org: Organisation) -> tuple[int, float | None]:
    """How many commits have a lead time, and the median in hours."""
    found = measured(store, org).change_lead_time
    return found.n, None if found.p50 is None else found.p50 / 3_600


def test_setting_and_clearing_exclusions_derives_again(store: Store, org: Organisation):
    fill(store, org)
    assert hours(store, org) == (2, 3.5)
    given = {"exclude_authors": ["renovate@*"], "exclude_labels": ["Deps*"]}
    (change,) = store.derivations.preview(org, given, "web").differing
    assert [each.number_of_commits for each in change] == [2, 1]
    assert hours(store, org) == (2, 3.5)
    store.settings.put(org, given, actor=TESTER).result()
    store.derivations.derive_all_queued(actor=TESTER)
    assert hours(store, org) == (1, 3)
    label(store, org, "bug", "deps/npm")
    assert hours(store, org) == (0, None)
    label(store, org, "bug")
    assert hours(store, org) == (1, 3)
    # The service's own list replaces the organisation's.
    store.settings.put(org, {"exclude_authors": []}, "web", actor=TESTER).result()
    store.derivations.derive_all_queued(actor=TESTER)
    assert hours(store, org) == (2, 3.5)


def test_the_example_of_the_docs_is_previewed_set_and_explained(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'theodora.db'}"
    with Store(url) as store:
        fill(store, store.keys.ensure_organisation("default", 1, actor=TESTER).result())
    example = re.search(r"echo '(.*)' > bots.json\n", DOCS.read_text("utf-8"))
    assert example

    def run(*arguments: str) -> str:
        given = (*arguments, "--database", url)
        answer = CliRunner().invoke(main, given, input=example[1], catch_exceptions=False)
        assert answer.exit_code == 0, answer.output
        return answer.output

    previewed = run("settings", "preview", "-", "--service", "web")
    assert "two web two: " in previewed
    assert "2 commits -> " in previewed
    assert previewed.rstrip().endswith("1 commits")
    run("settings", "set", "-", "--service", "web")
    shown = json.loads(run("settings", "show", "--service", "web"))
    assert shown["effective"]["exclude_authors"] == ["*[bot]", "renovate@*"]
    run("derive")
    assert f"{SHAS[1][:10]} not counted: its author is excluded (exclude_authors)" in run(
        "explain", "two"
    )
