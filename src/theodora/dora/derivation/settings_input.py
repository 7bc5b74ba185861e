"""The reader of settings: a JSON object, validated member by member."""

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, NamedTuple, get_args

from msgspec import UNSET, Meta, Struct, UnsetType, defstruct

from theodora.dora.derivation.expressions import MAX_PATTERN_CHARACTERS
from theodora.dora.derivation.name_globs import NameFilter
from theodora.dora.derivation.path_globs import PathFilter, glob_problem
from theodora.dora.derivation.rules import Field, LinkedRule, StaticRule
from theodora.dora.derivation.rules import problems as rule_problems
from theodora.dora.derivation.settings import NAME_GLOBS, LeadTimeClock
from theodora.errors import Invalid, Problem
from theodora.events import MatchKeys, match_key, repository_id
from theodora.events.attributes import CONTROL, MAX_PROBLEMS
from theodora.events.json_values import JsonObject, JsonValue, exact_integer, is_object, type_name

MAX_RULES = 50
MAX_GLOBS = 200
MAX_WORDS = 100
"""Languages or tags of a service."""
MAX_ENVS = 50
MAX_GAP_DAYS = 36_500
_MAX_TEXT = 200
MAX_ALIASES = 1_000
MAX_NAME = 255
"""Characters in the name of a team or an environment, as in events."""
_MAY_BE_NULL = frozenset({"rollback_lookback", "sequence_tag"})
_MAX_URL = 2_048
_CLOCKS: tuple[str, ...] = get_args(LeadTimeClock)
_Text = Annotated[str, Meta(min_length=1, max_length=_MAX_TEXT)]
_Positions = Annotated[int, Meta(ge=1)]
_Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]


class RuleInput(Struct, frozen=True):
    """A linked or static rule."""

    id: _Text
    fields: Annotated[tuple[Field, ...], Meta(min_length=1)]
    pattern: Annotated[
        str,
        Meta(description="A regular expression.", min_length=1, max_length=MAX_PATTERN_CHARACTERS),
    ]


_Words = Annotated[tuple[_Text, ...], Meta(max_length=MAX_WORDS)]
_Globs = Annotated[tuple[_Text, ...], Meta(max_length=MAX_GLOBS)]
_Rules = Annotated[tuple[RuleInput, ...], Meta(max_length=MAX_RULES)]
_RULE_MEMBERS = frozenset(RuleInput.__struct_fields__)


class Member(NamedTuple):
    """A member of settings."""

    read: Callable[[JsonValue], Any]
    type: Any
    """What clients send, for schemas."""


def read_settings(given: JsonObject, *, of_service: bool = False) -> dict[str, Any]:
    """`given` as members of `ServiceSettings`; `Invalid` lists the problems and their places.

    A service cannot set members that only apply to the organisation. A member that is null is as
    good as left out, but for `rollback_lookback`, where it means any number of positions, and
    `sequence_tag`, where it means none.
    """
    found: list[Problem] = []
    checked: dict[str, Any] = {}
    for name, value in given.items():
        member = MEMBERS.get(name)
        if of_service and name in ORGANISATION_MEMBERS:
            found.append(Problem("is set for the organisation, not for a service", (name,)))
        elif member is None:
            found.append(Problem(f'must be one of "{" ".join(MEMBERS)}"', (name,)))
        elif value is not None or name in _MAY_BE_NULL:
            try:
                checked[name] = member.read(value)
            except Invalid as invalid:
                found += (problem.beneath(name) for problem in invalid.problems)
    if found:
        raise Invalid(*found[:MAX_PROBLEMS])
    return checked


def _switch(value: JsonValue) -> bool:
    if isinstance(value, bool):
        return value
    raise Invalid(Problem(f"must be a boolean, not {type_name(value)}"))


def _clock(value: JsonValue) -> str:
    if value in _CLOCKS:
        return value
    raise Invalid(Problem(f'must be one of "{" ".join(_CLOCKS)}"'))


def _lookback(value: JsonValue) -> int | None:
    if value is None:
        return None
    integer = exact_integer(value) if type_name(value) == "number" else None
    if integer is None or not 1 <= integer < 2**31:
        raise Invalid(Problem("must be an integer from 1, or null for any number"))
    return integer


def _gap_days(value: JsonValue) -> int:
    integer = exact_integer(value) if type_name(value) == "number" else None
    if integer is None or not 0 <= integer <= MAX_GAP_DAYS:
        raise Invalid(Problem(f"must be an integer from 0 (no limit) to {MAX_GAP_DAYS}"))
    return integer


def _tag_key(value: JsonValue) -> str | None:
    if value is None:
        return None
    if isinstance(value, str) and _is_tag_key(value.strip()):
        return value.strip()
    raise Invalid(
        Problem(
            f"must be the key of a custom tag: a text of 1 to {_MAX_TEXT} characters without a "
            "colon, or null for none"
        )
    )


def _is_tag_key(key: str) -> bool:
    return 1 <= len(key) <= _MAX_TEXT and ":" not in key and not CONTROL.search(key)


def _globs(value: JsonValue) -> list[str]:
    globs = _items(value, MAX_GLOBS)
    found = [
        Problem(f"must be a text of 1 to {_MAX_TEXT} characters", (index,))
        for index, glob in enumerate(globs)
        if not isinstance(glob, str) or not 1 <= len(glob.removeprefix("!")) <= _MAX_TEXT
    ]
    if not found:
        problems = ((index, glob_problem(glob)) for index, glob in enumerate(globs))
        found = [Problem(problem, (index,)) for index, problem in problems if problem]
    if found:
        raise Invalid(*found)
    try:
        PathFilter(globs)
    except Invalid as invalid:
        raise Invalid(*(Problem(each.detail) for each in invalid.problems)) from None
    return globs


def _name_globs(member: str) -> Callable[[JsonValue], list[str]]:
    """Reads globs over names, each once."""

    def read(value: JsonValue) -> list[str]:
        globs = _words(value, MAX_GLOBS)
        try:
            NameFilter(globs, member)
        except Invalid as invalid:
            raise Invalid(*(Problem(each.detail) for each in invalid.problems)) from None
        return globs

    return read


def _rules(kind: type[LinkedRule | StaticRule]) -> Callable[[JsonValue], list[Any]]:
    def read(value: JsonValue) -> list[Any]:
        rules = _items(value, MAX_RULES)
        found = [
            problem.beneath(index)
            for index, rule in enumerate(rules)
            for problem in _problems_of_rule(kind, rule)
        ]
        if not found:
            ids = [rule["id"] for rule in rules]
            found = [
                Problem(f'is the id of another rule too: "{id_}"', (index, "id"))
                for index, id_ in enumerate(ids)
                if id_ in ids[:index]
            ]
        if found:
            raise Invalid(*found)
        return rules

    return read


def _problems_of_rule(kind: type[LinkedRule | StaticRule], rule: JsonValue) -> Iterator[Problem]:
    if not is_object(rule):
        yield Problem(f"must be an object, not {type_name(rule)}")
        return
    for name in sorted(rule.keys() - _RULE_MEMBERS):
        yield Problem(f'must be one of "{" ".join(sorted(_RULE_MEMBERS))}"', (name,))
    id_, fields, pattern = (rule.get(name) for name in ("id", "fields", "pattern"))
    if not isinstance(id_, str) or not 1 <= len(id_) <= _MAX_TEXT:
        yield Problem(f"must be a text of 1 to {_MAX_TEXT} characters", ("id",))
    if not isinstance(fields, list) or not all(isinstance(each, str) for each in fields):
        yield Problem("must be an array of texts", ("fields",))
        return
    if not isinstance(pattern, str) or not pattern:
        yield Problem("must be a text that is not empty", ("pattern",))
        return
    yield from rule_problems(kind(str(id_), tuple(fields), pattern))


def _envs(value: JsonValue) -> list[str]:
    envs = _items(value, MAX_ENVS)
    found = [
        Problem(f"must be a text of 1 to {MAX_NAME} characters", (index,))
        for index, env in enumerate(envs)
        if not _is_name(env)
    ]
    if found:
        raise Invalid(*found)
    return list(dict.fromkeys(env.strip().lower() for env in envs))


def _team(value: JsonValue) -> str:
    if isinstance(value, str) and _is_name(value):
        return value.strip()
    raise Invalid(
        Problem(f"must be a text of 1 to {MAX_NAME} characters, none of them a control character")
    )


def _words(value: JsonValue, limit: int = MAX_WORDS) -> list[str]:
    """Short texts such as languages or tags, each once."""
    words = _items(value, limit)
    found = [
        Problem(f"must be a text of 1 to {_MAX_TEXT} characters", (index,))
        for index, word in enumerate(words)
        if not isinstance(word, str)
        or not 1 <= len(word.strip()) <= _MAX_TEXT
        or CONTROL.search(word)
    ]
    if found:
        raise Invalid(*found)
    return list(dict.fromkeys(word.strip() for word in words))


def _aliases(value: JsonValue) -> dict[str, str]:
    """Ids of repositories by the ids that they replace; URLs are taken too."""
    if not is_object(value):
        raise Invalid(Problem(f"must be an object, not {type_name(value)}"))
    if len(value) > MAX_ALIASES:
        raise Invalid(Problem(f"must have at most {MAX_ALIASES} members"))
    found = list(_alias_problems(value))
    aliases = (
        {} if found else {repository_id(old): repository_id(new) for old, new in value.items()}
    )
    keys = MatchKeys(aliases)
    found += [
        Problem("leads back to itself", (old,))
        for old in value
        if not found and keys.is_circular(repository_id(old))
    ]
    if found:
        raise Invalid(*found)
    return aliases


def _alias_problems(value: JsonObject) -> Iterator[Problem]:
    olds: dict[str, str] = {}
    for old, new in value.items():
        if not (_is_repository(old) and _is_repository(new)):
            detail = f"must lead from one URL or id of a repository, at most {_MAX_URL} characters"
            yield Problem(f"{detail}, to another", (old,))
        elif (other := olds.setdefault(match_key(repository_id(old)), old)) != old:
            yield Problem(f'is another name of the same repository as "{other}"', (old,))


def _is_repository(value: JsonValue) -> bool:
    return (
        isinstance(value, str)
        and 1 <= len(value.strip()) <= _MAX_URL
        and not CONTROL.search(value)
        and repository_id(value) != "/"
    )


def _is_name(value: JsonValue) -> bool:
    return (
        isinstance(value, str)
        and 1 <= len(value.strip()) <= MAX_NAME
        and not CONTROL.search(value.strip())
    )


def _items(value: JsonValue, limit: int) -> list[Any]:
    if not isinstance(value, list):
        raise Invalid(Problem(f"must be an array, not {type_name(value)}"))
    if len(value) > limit:
        raise Invalid(Problem(f"must have at most {limit} items"))
    return value


_GLOB_TYPES = {
    "bots": Annotated[
        _Globs,
        Meta(
            description="Names and e-mail addresses of authors that are bots, `*` for any "
            "characters, beside those that are known; of the organisation alone."
        ),
    ]
}

MEMBERS: Mapping[str, Member] = {
    "path_globs": Member(_globs, _Globs),
    **{name: Member(_name_globs(name), _GLOB_TYPES.get(name, _Globs)) for name in NAME_GLOBS},
    "lead_time_clock": Member(_clock, LeadTimeClock),
    "lead_time_gap_days": Member(_gap_days, Annotated[int, Meta(ge=0, le=MAX_GAP_DAYS)]),
    "sequence_tag": Member(_tag_key, _Text | None),
    "detect_rollbacks": Member(_switch, bool),
    "rollback_lookback": Member(_lookback, _Positions | None),
    "linked_rules": Member(_rules(LinkedRule), _Rules),
    "static_rules": Member(_rules(StaticRule), _Rules),
    "incident_marks_failure": Member(_switch, bool),
    "production_envs": Member(_envs, Annotated[tuple[_Name, ...], Meta(max_length=MAX_ENVS)]),
    "team": Member(_team, _Name),
    "languages": Member(_words, _Words),
    "tags": Member(_words, _Words),
    "service_files": Member(
        _switch,
        Annotated[
            bool,
            Meta(
                description="Whether service.datadog.yaml and CODEOWNERS of mirrored repositories "
                "set members of their services; of the organisation alone."
            ),
        ],
    ),
    "repository_aliases": Member(
        _aliases,
        Annotated[
            dict[str, Annotated[str, Meta(min_length=1, max_length=_MAX_URL)]],
            Meta(
                description="From former to present repositories, each as URL or id; of the "
                "organisation alone.",
                max_length=MAX_ALIASES,
            ),
        ],
    ),
}
"""All members of settings, each with its reader."""

SettingsInput = defstruct(
    "SettingsInput",
    [(name, each.type | UnsetType, UNSET) for name, each in MEMBERS.items()],
    frozen=True,
    forbid_unknown_fields=True,
    namespace={"__doc__": "Settings of a service or of the organisation."},
)

ORGANISATION_MEMBERS = frozenset(("bots", "service_files", "repository_aliases"))
"""Members that only the organisation can set."""
