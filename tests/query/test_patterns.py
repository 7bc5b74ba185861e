"""Whether a text fits a pattern."""

from random import Random, SystemRandom

import pytest

from theodora.query import Wild
from theodora.query.patterns import Pattern, fits, literal, pattern_of

RUN, ONE = Wild.RUN, Wild.ONE


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ((RUN,), "", True),
        ((ONE,), "", False),
        (("a", RUN), "a", True),
        (("a", RUN), "ba", False),
        ((RUN, "a"), "ba", True),
        (("a", RUN, "a"), "a", False),
        (("a", RUN, "b", RUN, "c"), "a-b-b-c", True),
        ((RUN, "b", ONE), "abbb", True),
        ((ONE,), "\n", True),
        ((RUN, "b"), "a\nb", True),
        ((ONE,), "\U0001f600", True),
        ((".", RUN), "ab", False),
        (("[a]",), "a", False),
        ((), "", True),
    ],
)
def test_a_pattern_covers_the_whole_text(pattern: Pattern, text: str, *, expected: bool) -> None:
    assert fits(pattern, text) == expected


def test_patterns_fit_what_their_definition_says() -> None:
    seed = SystemRandom().randrange(2**32)
    rng = Random(seed)
    for _ in range(5_000):
        pattern = pattern_of(rng.choices(("a", "b", RUN, ONE), k=rng.randint(0, 6)))
        text = "".join(rng.choices("ab\n", k=rng.randint(0, 7)))
        assert fits(pattern, text) == defined(pattern, text), f"seed {seed}"


def defined(pattern: Pattern, text: str) -> bool:
    """The meaning of a pattern, without regard to time."""
    match pattern:
        case ():
            return text == ""
        case (Wild.RUN, *rest):
            return any(defined(tuple(rest), text[at:]) for at in range(len(text) + 1))
        case (Wild.ONE, *rest):
            return text != "" and defined(tuple(rest), text[1:])
        case (piece, *rest):
            assert isinstance(piece, str)
            return text.startswith(piece) and defined(tuple(rest), text[len(piece) :])


def test_tokens_that_touch_become_one() -> None:
    assert pattern_of(["a", "b", RUN, RUN, ONE, ONE, "c"]) == ("ab", RUN, ONE, ONE, "c")


def test_a_pattern_without_wildcards_is_a_text() -> None:
    assert literal(("a",)) == "a"
    assert literal(()) == ""
    assert literal(("a", RUN)) is None
