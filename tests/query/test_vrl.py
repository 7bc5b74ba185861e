"""Our answers and those of Vector's VRL, which also reads Datadog's search syntax.

pyVRL 0.0.2 holds VRL 0.15. What the two may differ in is listed here, with an example of each
difference; on queries that stay clear of the list they must agree.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from random import Random, SystemRandom
from typing import Any

import pytest

from lengths import short_and_long
from theodora.errors import Invalid
from theodora.events import Deployment, Failure, Git
from theodora.query import FIELDS, Event, Type, matches, parse, resolve

Transform = pytest.importorskip("pyvrl", reason="pyVRL has no wheel for this Python").Transform
ERROR, PANIC = "error", "panic"

_IN_TAGS = ("env", "team", "version", "name", "severity", "repository_id")
_AT_ROOT = (Type.NUMBER, Type.DURATION, Type.BOOLEAN)


def ours(query: str, event: Event) -> bool | str:
    try:
        return matches(parse(query), event)
    except Invalid:
        return ERROR


def theirs(query: str, event: Event) -> bool | str:
    transform = _compiled(query)
    return transform if isinstance(transform, str) else transform.remap(_as_log(event))["found"]


@lru_cache(maxsize=1)
def _compiled(query: str) -> Transform | str:
    """VRL's panics come as a `BaseException` that is no `Exception`."""
    try:
        text = json.dumps(query, ensure_ascii=False)
        return Transform(f'. = {{"found": match_datadog_query(., {text})}}')
    except ValueError:
        return ERROR
    except BaseException as exception:
        if type(exception).__name__ != "PanicException":
            raise
        return PANIC


def _as_log(event: Event) -> dict[str, Any]:
    """The event as a log: tags, attributes (beneath `custom` in VRL 0.15) and a message."""
    attributes = {
        field.name: value
        for field in FIELDS
        if field.type in _AT_ROOT
        for value in field.values(event)
    }
    named = [f"{name}:{text}" for name in _IN_TAGS for text in resolve(name).texts(event)]
    words = [text for field in FIELDS if field.in_free_text for text in field.texts(event)]
    services = resolve("service").values(event)
    return {
        "source": event.source,
        "tags": [*event.custom_tags, *named],
        "message": "\n".join(words),
        **({"service": services[0] if len(services) == 1 else list(services)} if services else {}),
        **attributes,
        "custom": attributes,
    }


DEPLOYMENT = Deployment(
    id="64f25434490ef9c7",
    service="api-service",
    env="production",
    team="backend",
    version="v1.12.07",
    started_at_ns=1693491974 * 10**9,
    finished_at_ns=1693491984 * 10**9,
    git=Git(
        "66adc9350f2cc9b250b69abddab733dd55e1a588",
        "https://github.com/organization/example-repository",
    ),
    custom_tags=("language:java", "build:42", "wild:aXb", "ORDERS:x", "lines:a\nb", "host:h"),
    number_of_commits=3,
    change_failure=False,
)
FAILURE = Failure(
    services=("shopist", "api-service"),
    env="production",
    name="Webserver is down",
    severity="SEV-1",
    started_at_ns=1707842544 * 10**9,
    custom_tags=("status:open", "trace_id:1"),
)


D, F = DEPLOYMENT, FAILURE

DIFFERENCES: Mapping[str, tuple[tuple[str, Event, bool | str, bool | str], ...]] = {
    "1 a question mark is one character, there a literal one": (
        ("version:v1.12.0?", D, True, False),
        ("service:api?service", D, True, False),
    ),
    "2 an escaped wildcard beside a live one is literal, there a wildcard": (
        ("wild:*a\\*b", D, False, True),
    ),
    "3 free text ignores case, there it does not": (
        ("webserver", F, True, False),
        ("PRODUCTION", D, True, False),
    ),
    "4 adjacent bare words are separate terms, there one": (
        ("production backend", D, True, False),
        ("language:(java java)", D, True, False),
    ),
    "5 free text is words, there characters": (
        ("api.service", D, True, False),
        ('"api service"', D, True, False),
        ("Web*down", F, False, True),
        ('"-"', D, False, True),
        ("**", D, False, True),
    ),
    "6 free text may be sought in every field, there that is an error": (
        ("*:java", D, True, ERROR),
        ("*:go", D, False, ERROR),
    ),
    "7 an array matches by its elements, there by its printed form": (
        ("service:shopist", F, True, False),
        ("-service:shopist", F, False, True),
    ),
    "8 a comparison on a tag is with the tag's value, there with any tag": (
        ("nothing:>a", D, False, True),
        ("nothing:[a TO z]", D, False, True),
    ),
    "9 operands are of the field's type, there texts": (
        ("@number_of_commits:3.0", D, True, False),
        ("@duration:<1m", D, True, False),
        ("@duration:[1s TO 1m]", D, True, False),
        ("@duration:>5s", D, True, False),
        ("@duration:>abc", D, ERROR, False),
    ),
    "10 operands may hold colons and quotes, comparisons need a name": (
        ("started_at:>=2023-08-31T14:26:14Z", D, True, ERROR),
        ('service:>"a"', D, True, ERROR),
        (">5", D, ERROR, True),
        ("[1 TO 5]", D, ERROR, False),
    ),
    "11 brackets may be mixed and bounds quoted, there that is a panic and an error": (
        ("@duration:[10 TO 20}", D, True, PANIC),
        ('service:["a a" TO "b b"]', D, True, ERROR),
    ),
    "12 keywords are whole words, there also the start of others": (
        ("ORDERS:x", D, True, ERROR),
        ("NOTHING:x", D, False, True),
        ("@duration:[1 TO50]", D, ERROR, True),
    ),
    "13 an operator without its term is an error, there a text": (
        ("OR", D, ERROR, False),
        ("AND", D, ERROR, False),
        ("NOT NOT java", D, ERROR, True),
    ),
    "14 a word directly before a bracket or quote is an error, there a term": (
        ("java(backend)", D, ERROR, True),
        ('java"backend"', D, ERROR, True),
        ("CIDR(ip, 10.0.0.0/8)", D, ERROR, False),
    ),
    "15 a name means the same with an @ and without": (
        ("@language:java", D, True, False),
        ("@env:production", D, True, False),
        ("duration:10", D, True, False),
        ("_exists_:duration", D, True, False),
    ),
    "16 tags are a field with elements, there a printed array": (
        ("tags:lang*", D, True, False),
        ("_exists_:tags", D, True, False),
        ("_missing_:tags", D, False, True),
    ),
    "17 existence takes no wildcard, and every type has a text form": (
        ("_exists_:lang*", D, ERROR, False),
        ("started_at:2023*", D, True, False),
    ),
    "18 white space is that of Unicode, and wildcards run over lines": (
        ("lines:a*b", D, True, False),
        ("java\u00a0backend", D, True, False),
        ("env:production\u3000team:backend", D, True, ERROR),
        (" -env:staging", D, True, ERROR),
    ),
    "19 there are limits, and no other names are special": (
        (" OR ".join(["env:production"] * 200 + ["x"] * 301), D, ERROR, True),
        ("(" * 51 + "env:production" + ")" * 51, D, ERROR, True),
        ("env:production OR env:" + "x" * 4096, D, ERROR, True),
        ("host:h", D, True, False),
        ("status:open", F, True, False),
        ("trace_id:1", F, True, False),
        ("message:*", D, False, True),
    ),
    "20 some characters are no longer special since August 2025, there they are": (
        ("java~", D, True, ERROR),
        ("=java", D, True, ERROR),
        ("java^2", D, False, ERROR),
        ("build:=42", D, False, ERROR),
        ("@number_of_commits:+3", D, True, ERROR),
    ),
    "21 curly quotes are dropped, there they are characters like others": (
        ("service:“api-service”", D, True, False),
        ("“production”", D, True, False),
    ),
    "22 what is production is a setting, there it is a tag": (
        ("is:production", D, True, False),
        ("-is:production", D, False, True),
        ("is:staging", D, ERROR, False),
    ),
    "pyVRL's VRL 0.15 has no && and || (0.18 has)": (
        ("env:production && team:backend", D, True, False),
        ("env:staging || team:backend", D, True, False),
    ),
    "pyVRL's VRL 0.15 mixes OR with AND and NOT up (0.29 does not)": (
        ("-env:production OR team:backend", D, True, False),
        ("env:x AND team:x OR env:production", D, True, False),
    ),
}


@pytest.mark.parametrize(
    ("query", "event", "here", "there"),
    [
        pytest.param(*example, id=f"{name}-{number}")
        for name, examples in DIFFERENCES.items()
        for number, example in enumerate(examples)
    ],
)
def test_a_known_difference(query: str, event: Event, here: bool | str, there: bool | str) -> None:
    assert (ours(query, event), theirs(query, event)) == (here, there)


def test_every_row_of_the_list_of_differences_has_its_example() -> None:
    numbers = [int(name.split()[0]) for name in DIFFERENCES if name[0].isdigit()]
    assert numbers == list(range(1, 23))


SERVICES = ("web", "api-service", "worker", "my service")
ENVS = ("production", "staging")
TEAMS = ("backend", "platform")
VERSIONS = ("v1.2.07", "v1.2.08", "v2")
NAMES = ("webserver down", "slow checkout queue", "down")
REPOSITORIES = ("github.com/org/app", "gitlab.com/org/web_ui")
LANGUAGES = ("java", "go")
REGIONS = ("us-east-1", "us-west-2", "eu")
TEXTS = {
    "service": SERVICES,
    "env": ENVS,
    "team": TEAMS,
    "version": VERSIONS,
    "name": NAMES,
    "severity": ("sev-1", "sev-2"),
    "repository_id": REPOSITORIES,
    "language": LANGUAGES,
    "region": REGIONS,
}
NUMBERS = {
    "number_of_commits": (0, 1, 3, 12, 30),
    "duration": (0, 9, 10, 11, 100),
    "change_lead_time": (3600, 36000),
    "recovery_time_sec": (60, 600),
    "time_to_restore": (0, 10, 100),
}
WORDS = ("web", "production", "down", "checkout", "java", "language", "org", "v2", "nowhere")


def random_event(rng: Random) -> Event:
    started = 1693491974
    seconds = rng.choice(NUMBERS["duration"])
    tags = [f"language:{rng.choice(LANGUAGES)}", f"region:{rng.choice(REGIONS)}"]
    common: dict[str, Any] = {
        "id": "0123456789abcdef",
        "env": _maybe(rng, ENVS),
        "team": _maybe(rng, TEAMS),
        "version": _maybe(rng, VERSIONS),
        "git": rng.choice((None, Git("a" * 40, f"https://{rng.choice(REPOSITORIES)}"))),
        "custom_tags": tuple(tag for tag in tags if rng.random() < 0.7),
        "started_at_ns": started * 10**9,
    }
    if rng.random() < 0.3:
        return Failure(
            services=(rng.choice(SERVICES),),
            name=_maybe(rng, NAMES),
            severity=_maybe(rng, TEXTS["severity"]),
            finished_at_ns=rng.choice((None, (started + seconds) * 10**9)),
            **common,
        )
    return Deployment(
        service=rng.choice(SERVICES),
        finished_at_ns=(started + seconds) * 10**9,
        change_failure=rng.choice((None, True, False)),
        number_of_commits=_maybe(rng, NUMBERS["number_of_commits"]),
        change_lead_time=_maybe(rng, NUMBERS["change_lead_time"]),
        recovery_time_sec=_maybe(rng, NUMBERS["recovery_time_sec"]),
        **common,
    )


def _maybe(rng: Random, values: tuple[Any, ...]) -> Any:
    return rng.choice((None, *values))


class Writer:
    """Writes random queries that stay clear of the differences."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng

    def query(self) -> str:
        return self.rng.choice((self.any_of, self.all_of, self.words))(3)

    def any_of(self, depth: int) -> str:
        """Without signs, and with brackets round AND: VRL 0.15 mixes them up with OR."""
        parts = [self.atom(depth - 1) for _ in range(self.rng.randint(1, 4))]
        return self.spaced("OR").join(parts)

    def all_of(self, depth: int) -> str:
        """Without bare words: those that touch are one term to VRL."""
        text = self.part(depth - 1)
        for _ in range(self.rng.randint(0, 3)):
            text += self.spaced(self.rng.choice(("", "AND"))) + self.part(depth - 1)
        return text

    def words(self, _depth: int) -> str:
        operator = self.spaced(self.rng.choice(("AND", "OR")))
        return operator.join(self.rng.choices(WORDS, k=self.rng.randint(1, 3)))

    def part(self, depth: int) -> str:
        return self.rng.choice(("", "", "", "-", "NOT ", "+", "- ")) + self.atom(depth)

    def atom(self, depth: int) -> str:
        if depth > 0 and self.rng.random() < 0.5:
            return f"({self.rng.choice((self.any_of, self.all_of, self.words))(depth)})"
        return self.rng.choice((self.text, self.text, self.number, self.boolean, self.phrase))()

    def text(self) -> str:
        name, values = self.rng.choice(tuple(TEXTS.items()))
        some = [self.value(self.rng.choice(values)) for _ in range(3)]
        ordered = ">{0}", "<={0}", "[{0} TO {1}]", "{{{0} TO *}}"
        forms = ["{0}", "{0}", "*", "({0} OR {1} OR {2})", "({0})", "(-{0})"]
        if name == "service" and not any(" " in value or '"' in value for value in some):
            forms += ordered
        if self.rng.random() < 0.1:
            return f"{self.rng.choice(('_exists_', '_missing_'))}:{name}"
        if self.rng.random() < 0.3:
            return f"{name}:{self.wildcard(self.rng.choice(values))}"
        return f"{name}:" + self.rng.choice(forms).format(*some)

    def value(self, text: str) -> str:
        """Bare, quoted, or with a character escaped that need not be."""
        if self.rng.random() < 0.3:
            return f'"{text}"'
        at = self.rng.randrange(len(text))
        bare = text.replace(" ", "\\ ")
        return bare if self.rng.random() < 0.7 or " " in text else f"{text[:at]}\\{text[at:]}"

    def wildcard(self, text: str) -> str:
        start, end = sorted(self.rng.choices(range(len(text) + 1), k=2))
        return f"{text[:start]}*{text[end:]}".replace(" ", "\\ ").lstrip("-")

    def number(self) -> str:
        name, values = self.rng.choice(tuple(NUMBERS.items()))
        low, high = sorted(self.rng.choices(values, k=2))
        ends = self.rng.choice(("{0} TO {1}", "* TO {0}", "{0} TO *", "* TO *", "-1.5 TO {1}"))
        form = self.rng.choice(
            (
                "{0}",
                *(f"{sign}{{0}}" for sign in (">", ">=", "<", "<=", ">-", ">=9.")),
                *(f"[{ends}]", f"{{{{{ends}}}}}", "({0} OR {1})", "(>={0} <{1})"),
                *("*", "1*", "*0", "(*)"),
            )
        )
        return f"@{name}:" + form.format(low, high)

    def boolean(self) -> str:
        return "@change_failure:" + self.rng.choice(("true", "false", "*", "t*", "(true OR false)"))

    def phrase(self) -> str:
        return '"' + self.rng.choice((*WORDS, "webserver down", "checkout queue")) + '"'

    def spaced(self, operator: str) -> str:
        return operator.join(self.rng.choice((" ", " ", "  ", "\t", " \n")) for _ in range(2))


@short_and_long("queries", 700, 2_000)
def test_all_other_queries_have_the_answer_of_vrl(queries: int) -> None:
    seed = SystemRandom().randrange(2**32)
    rng = Random(seed)
    for _ in range(queries):
        query = Writer(rng).query()
        for event in (random_event(rng) for _ in range(8)):
            assert ours(query, event) == theirs(query, event), f"seed {seed}: {query!r} on {event}"
