"""Words of free text and of the values that it is searched in.

A word is a maximal run of letters, digits and `_`; words are compared case-folded.
"""

import re

from theodora.query.patterns import Pattern, Wild, fits, literal, pattern_of

_WORD = re.compile(r"\w+")
_BETWEEN_WORDS = re.compile(r"\W+")


def words(value: str) -> list[str]:
    """The words of a value, case-folded: `API-Service v1.2` → `api service v1 2`."""
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


def stand_in(sought: tuple[Pattern, ...], value: str) -> bool:
    """Whether `value` has the words `sought`, one directly after another."""
    there = words(value)
    # Most values lack the first word, which is found out several times faster than below.
    if sought and (first := literal(sought[0])) is not None and first not in there:
        return False
    starts = range(len(there) - len(sought) + 1)
    return any(
        all(_is_word(word, there[start + at]) for at, word in enumerate(sought)) for start in starts
    )


def _is_word(sought: Pattern, word: str) -> bool:
    text = literal(sought)
    return fits(sought, word) if text is None else text == word


def _folded(word: str) -> str:
    """Folding may split off a mark that no word holds (`İ` → `i` and a dot): it is dropped."""
    folded = word.casefold()
    return folded if folded.isascii() else "".join(_WORD.findall(folded))
