"""Settings as somebody gives them are checked before they are kept."""

from decimal import Decimal
from typing import Any

import pytest

from theodora.dora.derivation.settings_input import read_settings
from theodora.errors import Invalid

RULE = {"id": "fixes", "fields": ["version"], "pattern": ".*-fixes-$version"}


def places(given: dict[str, Any]) -> list[str]:
    with pytest.raises(Invalid) as caught:
        read_settings(given)
    return [problem.pointer for problem in caught.value.problems]


def test_what_is_right_is_taken_as_it_is():
    given = {
        "path_globs": ["web/**", "!**/*.md"],
        "exclude_authors": ["*[bot]"],
        "exclude_labels": ["dependencies"],
        "lead_time_clock": "commit_time",
        "detect_rollbacks": False,
        "rollback_lookback": 3,
        "lead_time_gap_days": 0,
        "sequence_tag": "region",
        "linked_rules": [RULE],
        "static_rules": [{"id": "hot", "fields": ["pr_label"], "pattern": "hot.?fix"}],
        "incident_marks_failure": True,
        "production_envs": ["blue", "green"],
        "team": "storefront",
        "bots": ["release-robot"],
        "service_files": True,
        "repository_aliases": {"git.example.com/old/app": "github.com/acme/app"},
    }
    assert read_settings(given) == given


def test_null_leaves_a_member_out_but_frees_the_lookback_and_undivides():
    given = {"path_globs": None, "rollback_lookback": None, "sequence_tag": None}
    assert read_settings(given) == {"rollback_lookback": None, "sequence_tag": None}


def test_environments_are_kept_in_lower_case_and_once():
    assert read_settings({"production_envs": ["Blue ", "blue", "GREEN"]}) == {
        "production_envs": ["blue", "green"]
    }


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"colour": "red"}, ["/colour"]),
        ({"path_globs": "web/**"}, ["/path_globs"]),
        ({"path_globs": ["web/**", "", "!"]}, ["/path_globs/1", "/path_globs/2"]),
        ({"exclude_authors": "*[bot]"}, ["/exclude_authors"]),
        ({"exclude_labels": ["\ud800"]}, ["/exclude_labels"]),
        ({"exclude_labels": ["bug", " ", "x" * 201]}, ["/exclude_labels/1", "/exclude_labels/2"]),
        ({"exclude_authors": [f"{n}" + "?x" * 90 for n in range(200)]}, ["/exclude_authors"]),
        ({"lead_time_clock": "merge_time"}, ["/lead_time_clock"]),
        ({"detect_rollbacks": 1}, ["/detect_rollbacks"]),
        ({"rollback_lookback": 0}, ["/rollback_lookback"]),
        ({"lead_time_gap_days": -1}, ["/lead_time_gap_days"]),
        ({"lead_time_gap_days": Decimal("1.5")}, ["/lead_time_gap_days"]),
        ({"lead_time_gap_days": "60"}, ["/lead_time_gap_days"]),
        ({"lead_time_gap_days": 36_501}, ["/lead_time_gap_days"]),
        ({"sequence_tag": "region:eu"}, ["/sequence_tag"]),
        ({"sequence_tag": " "}, ["/sequence_tag"]),
        ({"sequence_tag": "x" * 201}, ["/sequence_tag"]),
        ({"sequence_tag": ["region"]}, ["/sequence_tag"]),
        ({"linked_rules": [RULE, 3]}, ["/linked_rules/1"]),
        ({"linked_rules": [RULE, RULE]}, ["/linked_rules/1/id"]),
        ({"linked_rules": [RULE | {"fields": ["titel"]}]}, ["/linked_rules/0/fields/0"]),
        ({"linked_rules": [RULE | {"pattern": "fix"}]}, ["/linked_rules/0/pattern"]),
        ({"linked_rules": [RULE | {"pattern": "(fix $version)?"}]}, ["/linked_rules/0/pattern"]),
        ({"static_rules": [RULE | {"pattern": "(a"}]}, ["/static_rules/0/pattern"]),
        ({"production_envs": ["blue", 3, " "]}, ["/production_envs/1", "/production_envs/2"]),
        ({"team": " "}, ["/team"]),
        ({"team": "a\nb"}, ["/team"]),
        ({"static_rules": [RULE | {"why": ""}]}, ["/static_rules/0/why"]),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(given: dict[str, Any], expected: list[str]):
    assert places(given) == expected


@pytest.mark.parametrize(
    ("glob", "instead"),
    [
        *(("web/", "web/**"), ("./web/**", "web/**"), ("/web/**", "web/**"), ("web//a", "web/a")),
        *(("!/web/", "!web/**"), ("web/**/", "web/**/**"), ("/", "**"), ("a/./b", "a/b")),
        (r"web\**", "web/**"),
    ],
)
def test_a_glob_that_can_match_no_path_is_refused_with_one_that_can(glob: str, instead: str):
    with pytest.raises(Invalid) as refused:
        read_settings({"path_globs": ["docs/**", glob]})
    (problem,) = refused.value.problems
    assert problem.path == ("path_globs", 1)
    assert "can match no path" in problem.detail
    assert problem.detail.endswith(f'"{instead}"')


def test_aliases_are_kept_as_ids_and_chains_are_allowed():
    given = {
        "https://x:T@git.example.com/old.git": "mid.example.com/app",
        "mid.example.com/app": "git@github.com:acme/app.git",
    }
    assert read_settings({"repository_aliases": given})["repository_aliases"] == {
        "git.example.com/old": "mid.example.com/app",
        "mid.example.com/app": "github.com/acme/app",
    }


@pytest.mark.parametrize(
    ("aliases", "expected"),
    [
        (["a.example/a"], [""]),
        ({"a.example/a": 3, "": "b.example/b"}, ["/a.example~1a", "/"]),
        ({"a.example/a": "https://a.example/a.git"}, ["/a.example~1a"]),
        (
            {
                "d.example/d": "a.example/a",
                "a.example/a": "b.example/b",
                "b.example/b": "a.example/a",
            },
            ["/a.example~1a", "/b.example~1b"],
        ),
        ({"github.com/a/b": "x.example/a", "GitHub.com/A/B": "y.example/a"}, ["/GitHub.com~1A~1B"]),
    ],
)
def test_aliases_that_lead_nowhere_or_back_are_refused_with_their_places(
    aliases: Any, expected: list[str]
):
    assert places({"repository_aliases": aliases}) == [
        f"/repository_aliases{each}" for each in expected
    ]


@pytest.mark.parametrize(
    "given",
    [
        {"repository_aliases": {"a.example/a": "b.example/b"}},
        {"service_files": True},
        {"bots": ["release-robot"]},
    ],
)
def test_a_service_cannot_set_what_is_of_the_organisation(given: Any):
    with pytest.raises(Invalid, match="for the organisation"):
        read_settings(given, of_service=True)


def test_globs_reach_no_folder_above_the_repository():
    assert places({"path_globs": ["../web/**", "a/../b"]}) == ["/path_globs/0", "/path_globs/1"]


def test_a_pattern_that_needs_another_engine_is_refused_at_its_place():
    assert places({"static_rules": [RULE | {"pattern": "fix(?=ed)"}]}) == [
        "/static_rules/0/pattern"
    ]


def test_globs_that_are_too_much_altogether_are_refused():
    globs = [f"{number}/" + "?x" * 90 for number in range(200)]
    assert places({"path_globs": globs}) == ["/path_globs"]
    many = {"path_globs": [f"services/team-{number}/app-{number}/**" for number in range(200)]}
    assert read_settings(many) == many


def test_a_list_of_environments_has_fifty_items_at_the_most():
    envs = [f"env-{number}" for number in range(51)]
    assert read_settings({"production_envs": envs[:50]}) == {"production_envs": envs[:50]}
    assert places({"production_envs": envs}) == ["/production_envs"]
