"""`theodora metrics`: the endpoint's answers for scripts, and a table for people."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from actors import TESTER
from theodora.cli import main
from theodora.cli.invocation import program
from theodora.dora import Commit, PullRequest
from theodora.events import Deployment, Failure, Git
from theodora.report.wording import NARROW
from theodora.storage import Store

HOUR_NS = 3_600 * 10**9
MONDAY_NS = 1_772_409_600 * 10**9
"""2 March 2026."""
AS_OF = "2026-03-16T00:00:00Z"


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Two services: one is rolled back after an hour and a half; and one incident."""
    url = f"sqlite:///{tmp_path / 'theodora.db'}"
    events = [
        ("web", "v1", 24),
        ("web", "v2", 48),
        ("web", "v1", 49.5),
        ("web", "v3", 200),
        ("pay", "v1", 30),
    ]
    with Store(url) as store:
        org = store.keys.ensure_organisation("default", 1, actor=TESTER).result()
        for service, version, hours in events:
            at = MONDAY_NS + int(hours * HOUR_NS)
            event = Deployment(
                service=service,
                env="production",
                version=version,
                started_at_ns=at,
                finished_at_ns=at,
            )
            store.deployments.add(org, event, 1, actor=TESTER).result()
        failure = Failure(
            services=("web",),
            started_at_ns=MONDAY_NS + 48 * HOUR_NS,
            finished_at_ns=MONDAY_NS + 50 * HOUR_NS,
        )
        store.failures.add(org, failure, 1, actor=TESTER).result()
        store.derivations.derive_all_queued(actor=TESTER)
    return url


def run(url: str, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["metrics", "--database", url, "--as-of", AS_OF, *arguments])


def printed(url: str, *arguments: str) -> str:
    done = run(url, *arguments)
    assert done.exit_code == 0, done.output
    return done.output.replace(NARROW, " ").replace("\u00a0", " ")


def test_a_table_says_durations_in_words_and_rates_with_what_they_are_of(url: str):
    lines = printed(url, "--from", "2026-03-02").splitlines()
    assert lines[0] == (
        "Mon 2 Mar, 00:00 to Mon 16 Mar, 00:00 (UTC), compared with the 14 days before"
    )
    assert lines[1] == "Of every event"
    cells = {line[:28].strip(): " ".join(line[28:].split()) for line in lines[3:9]}
    assert cells == {
        "Deployment frequency": (
            "2.5 a week 5 deployments in 14 days 2.5 more a week, within noise (0.0 before)"
        ),
        "Change lead time": "— no lead times in this period nothing to compare with",
        "Failed deployment recovery": "1 h 30 min median of 1 failure nothing to compare with",
        "Change failure rate": "20.0 % 1 of 5 evaluated nothing to compare with",
        "Deployment rework rate": "20.0 % 1 of 5 evaluated nothing to compare with",
        "Incident time to restore": "2 h median of 1 incident nothing to compare with",
    }
    assert lines[-1].startswith("The total spans several services")


def test_groups_and_intervals_are_tables_of_their_own(url: str):
    text = printed(url, "--from", "2026-03-02", "--group-by", "service", "--interval", "week")
    tables = [block.splitlines() for block in text.split("\n\n")]
    heads = [block[0].split()[0] for block in tables[2:6]]
    assert heads == ["service", "all", "pay", "web"]
    assert [line.split()[0] for line in tables[2][1:]] == ["pay", "web"]
    web = tables[5]
    assert [line[:14].strip() for line in web[1:]] == ["2 Mar – 8 Mar", "9 Mar – 15 Mar"]
    assert "1/3" in web[1]
    assert "0/1" in web[2]


def test_stages_are_a_table_of_shares_and_spans(url: str):
    """They add up: the shares are of all the time from commit to deployment."""
    begin_ns = MONDAY_NS + 24 * HOUR_NS
    first, second = "1" * 40, "2" * 40
    with Store(url) as store:
        org = store.keys.organisation("default")
        commits = [
            Commit(sha=first, author_time_ns=begin_ns, commit_time_ns=begin_ns),
            Commit(
                sha=second,
                parents=(first,),
                author_time_ns=begin_ns + HOUR_NS,
                commit_time_ns=begin_ns + HOUR_NS,
            ),
        ]
        merged = PullRequest(
            number=1,
            merge_commit_sha=second,
            created_at_ns=begin_ns + 2 * HOUR_NS,
            last_approved_at_ns=begin_ns + 3 * HOUR_NS,
            merged_at_ns=begin_ns + 4 * HOUR_NS,
        )
        store.commits.add_commits(org, "github.com/acme/cart", commits, actor=TESTER).result()
        store.commits.add_pull_requests(
            org, "github.com/acme/cart", [merged], actor=TESTER
        ).result()
        for hours, sha in ((10, first), (11, second)):
            at = begin_ns + hours * HOUR_NS
            git = Git(sha, "https://github.com/acme/cart")
            event = Deployment(
                service="cart",
                version=sha[:2],
                started_at_ns=at - HOUR_NS,
                finished_at_ns=at,
                git=git,
            )
            store.deployments.add(org, event, 1, actor=TESTER).result()
        store.derivations.derive_all_queued(actor=TESTER)
    blocks = printed(url, "--from", "2026-03-02", "--stages").split("\n\n")
    rows = [" ".join(line.split()) for line in blocks[2].splitlines()]
    assert rows == [
        "stage share mean p50 p90 commits",
        "Code 10 % 1 h 1 h 1 h 1",
        "Review 10 % 1 h 1 h 1 h 1",
        "Merge 10 % 1 h 1 h 1 h 1",
        "Wait 60 % 6 h 6 h 6 h 1",
        "Deploy 10 % 1 h 1 h 1 h 1",
        "Other 0 % 0 s 0 s 0 s 1",
    ]
    assert "Merge" not in printed(url, "--from", "2026-03-02")


def test_without_stages_a_table_of_them_is_a_sentence(url: str):
    assert "Stages of lead times are known only for commits with a pull request" in printed(
        url, "--stages"
    )


def test_nothing_at_all_is_said_in_words(url: str):
    text = printed(url, "--query", "service:none")
    assert "no deployments" in text
    assert "no failures" in text
    assert "None" not in text
    assert "nan" not in text


def test_what_is_not_derived_yet_is_told_beside_the_numbers(url: str):
    assert run(url).stderr == ""
    with Store(url) as store:
        org = store.keys.organisation("default")
        at = MONDAY_NS + 300 * HOUR_NS
        late = Deployment(service="web", started_at_ns=at, finished_at_ns=at)
        store.deployments.add(org, late, 1, actor=TESTER).result()
    done = run(url, "--format", "csv")
    assert "missing: 1 change waiting, the oldest for " in done.stderr
    assert f"`{program()} derive`" in done.stderr
    assert "derive" not in done.stdout


@pytest.mark.parametrize(
    ("last", "start"),
    [
        ("24h", "2026-03-15T00:00:00Z"),
        ("7d", "2026-03-10T00:00:00Z"),
        ("2w", "2026-03-09T00:00:00Z"),
        ("3mo", "2026-01-01T00:00:00Z"),
        ("1q", "2026-01-01T00:00:00Z"),
        ("1y", "2025-04-01T00:00:00Z"),
    ],
)
def test_a_span_that_ends_now_includes_what_is_running(url: str, last: str, start: str):
    assert f'"from":"{start}"' in printed(url, "--last", last, "--format", "json")


def test_a_span_begins_at_a_local_midnight(url: str):
    text = printed(url, "--last", "1mo", "--timezone", "Europe/Berlin", "--format", "json")
    assert '"from":"2026-02-28T23:00:00Z"' in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--last", "12"], "--last: must be like 24h, 7d, 12w, 3mo, 2q or 1y"),
        (["--last", "9999y"], "--last: must not reach back beyond 1970"),
        (["--last", "1w", "--from", "2026-01-01"], "must not be given together with --from"),
        (["--query", "a)"], 'unexpected ")" at position 2'),
        (["--timezone", "Mars"], "must be an IANA time zone"),
        (["--group-by", "a,a"], "must be different keys"),
        (["--org", "nobody"], 'there is no organisation "nobody"'),
    ],
)
def test_a_question_that_is_none_ends_in_a_sentence(url: str, arguments: list[str], said: Any):
    done = run(url, *arguments)
    assert done.exit_code == 1
    assert said in done.output
    assert "Traceback" not in done.output


def test_an_interval_that_is_none_is_refused(url: str):
    assert run(url, "--interval", "hour").exit_code == 2


def test_bytes_for_scripts_have_nothing_added(url: str):
    assert printed(url, "--format", "json").endswith("]}}")
    assert run(url, "--format", "csv").stdout_bytes.endswith(b"\r\n")
