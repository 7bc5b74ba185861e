"""Words of free text and of the values that it is searched in.

A word is a maximal run of letters, digits and `_`; words are compared case-folded.
"""

import re
from collections.abc import Callable, Sequence

from theodora.query.patterns import Pattern, Wild, fitting, literal, pattern_of

_WORD = re.compile(r"\w+")
_BETWEEN_WORDS = re.compile(r"\W+")
_SPACES = re.compile(" +")


def words(value: str) -> list[str]:
    """The words of a value, case-folded: `API-Service v1.2` → `api service v1 2`."""
    if value.isascii():
        # Most values; their case is folded at once.
        return _WORD.findall(value.lower())
    return [_folded(word) for word in _WORD.findall(value)]


def words_of_term(term: Pattern) -> tuple[Pattern, ...]:
    """The words of a term, case-folded, each with the wildcards that touch it.

    Empty if the term holds no word character: it matches nothing.
    """
    cut: list[list[str | Wild]] = [[]]
    for token in term:
        if isinstance(token, Wild):
            cut[-1].append(token)
            continue
        first, *rest = _BETWEEN_WORDS.split(token)
        cut[-1].append(_folded(first))
        cut.extend([_folded(piece)] for piece in rest)
    found = tuple(pattern_of(filter(None, word)) for word in cut if any(word))
    return found if any(isinstance(token, str) for word in found for token in word) else ()


def spaced_pattern(sought: tuple[Pattern, ...]) -> Pattern:
    """A pattern of a part of each text that has the words, if a space is on either side of each.

    If it has no wildcard, only texts with the words have that part.
    """
    tokens: list[str | Wild] = [" "]
    for word in sought:
        tokens += (*word, " ")
    # A run at either end needs no space beside it: the word that it is a part of has one.
    match sought[0]:
        case (Wild.RUN, str(), *_):
            del tokens[:2]
        case _:
            pass
    match sought[-1]:
        case (*_, str(), Wild.RUN):
            del tokens[-2:]
        case _:
            pass
    return pattern_of(tokens)


def spaced_parts(pattern: Pattern) -> list[str]:
    """Parts of the spaced words of every value that fits a pattern."""
    tokens = [token if isinstance(token, Wild) else _spaced(token) for token in pattern]
    # Beyond either end of a value is a space too.
    ends = pattern_of((" ", *tokens, " "))
    return [_SPACES.sub(" ", piece) for piece in ends if isinstance(piece, str)]


def _spaced(text: str) -> str:
    """The words of a part of a value, which other characters may follow or precede."""
    return " ".join(map(_folded, _BETWEEN_WORDS.split(text)))


def stand_in(sought: tuple[Pattern, ...], value: str) -> bool:
    """Whether `value` has the words `sought`, one directly after another."""
    return stand_among(sought, words(value))


def stand_among(sought: tuple[Pattern, ...], there: Sequence[str]) -> bool:
    """The same for the words of a value."""
    first, *others = map(_test, sought)
    if not others:
        return any(map(first, there))
    return any(
        first(there[start]) and all(test(there[start + at]) for at, test in enumerate(others, 1))
        for start in range(len(there) - len(others))
    )


def _test(sought: Pattern) -> Callable[[str], object]:
    """What is true of the words that `sought` fits."""
    text = literal(sought)
    return fitting(sought) if text is None else text.__eq__


def _folded(word: str) -> str:
    """Folding may split off a mark that no word holds (`İ` → `i` and a dot): it is dropped."""
    folded = word.casefold()
    return folded if folded.isascii() else "".join(_WORD.findall(folded))
