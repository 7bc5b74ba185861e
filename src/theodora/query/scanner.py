"""The scanner: a text, a position in it, and errors with their position.

It reads the tokens of the grammar; `parser` reads the rules.
"""

from dataclasses import dataclass

from theodora.errors import Invalid, Problem
from theodora.query.patterns import Pattern, Wild, literal, pattern_of

STOPS = frozenset('"()[]{}!:><')
"""The special characters that cannot be in a word at all."""
CURLY_QUOTES = frozenset("“”„‟")
"""Dropped outside a phrase, as Datadog does: chats and word processors put them in."""
SPACE = frozenset(filter(str.isspace, map(chr, range(0x3001))))
"""All white space of Unicode, up to U+3000."""
WILDCARDS = frozenset("*?")
SIGNS = frozenset("+-")
"""The modifiers of one character; a `-` may be inside a word, but not begin it."""

SPECIAL = STOPS | SPACE | WILDCARDS | CURLY_QUOTES | frozenset("\\")
"""The characters that a name or a text without quotes must escape."""

_ENDS_WORD = STOPS | SPACE
_BEGINS_NO_WORD = _ENDS_WORD | {"-"}
_ENDS_NAME = _ENDS_WORD | WILDCARDS
_ENDS_OPERAND = _ENDS_NAME - {":"}
_ENDS_BOUND = SPACE | frozenset("]}")
_ENDS_PHRASE = frozenset('"')


@dataclass(frozen=True, slots=True)
class Word:
    """A run of characters without quotes, as written but for curly quotes, and as read."""

    start: int
    raw: str
    pattern: Pattern

    @property
    def text(self) -> str | None:
        """The text without escapes; None if it contains a wildcard."""
        return literal(self.pattern)


@dataclass(frozen=True, slots=True)
class Operator:
    """`AND`, `OR`, `NOT` or the sign for one of them, and its position."""

    start: int
    raw: str


class Scanner:
    """Reads `text` from left to right; no character is read more than a few times.

    Outside phrases `at` never rests on a curly quote: whatever steps forward steps over those
    that follow, so that positions still count the text as it was sent.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        """The index of the next character, from 0."""
        self._drop_curly_quotes()

    @property
    def next(self) -> str:
        """The next character; empty at the end."""
        return self.text[self.at : self.at + 1]

    def skip_space(self) -> None:
        while self.next.isspace():
            self._step()

    def take(self, token: str) -> bool:
        """Steps over `token` if it comes next."""
        found = self.text.startswith(token, self.at)
        if found:
            self._step(len(token))
        return found

    def starts_word(self) -> bool:
        """Whether a word comes next."""
        return self.next != "" and self.next not in _BEGINS_NO_WORD

    def operator(self, *raws: str) -> Operator | None:
        """Which of these operators comes next, without reading past it.

        A word must be the complete token; a sign may also begin one.
        """
        for raw in raws:
            if self.text.startswith(raw, self.at) and (not raw.isalpha() or self._is_whole(raw)):
                return Operator(self.at, raw)
        return None

    def _is_whole(self, word: str) -> bool:
        end = self._after_curly_quotes(self.at + len(word))
        after = self.text[end : end + 1]
        return not after or after in _ENDS_WORD

    def _step(self, length: int = 1) -> None:
        self.at += length
        self._drop_curly_quotes()

    def _drop_curly_quotes(self) -> None:
        self.at = self._after_curly_quotes(self.at)

    def _after_curly_quotes(self, index: int) -> int:
        while self.text[index : index + 1] in CURLY_QUOTES:
            index += 1
        return index

    def word(self) -> Word:
        """word = wordchar , { wordchar | "-" | "+" | "=" }"""
        return self._run(_ENDS_WORD, wild=True)

    def plain_word(self) -> Word:
        """plainword = plain , { plain | "-" | "+" | "=" }"""
        return self._run(_ENDS_NAME)

    def operand(self) -> str:
        """operand = ( plain | "-" ) , { plain | "-" | "+" | "=" | ":" }"""
        return self._run(_ENDS_OPERAND).text or ""

    def bound(self) -> Word:
        """boundchar , { boundchar }"""
        return self._run(_ENDS_BOUND)

    def phrase(self) -> str:
        """phrase = '"' , { escape | ? any but '"' and "\" ? } , '"'"""
        start = self.at
        # No `_step`: curly quotes belong to the phrase.
        self.at += 1
        text = self._run(_ENDS_PHRASE, in_phrase=True).text or ""
        if not self.take('"'):
            raise self.error("missing closing quote", start)
        return text

    def end_of_word(self) -> None:
        """A word ends at white space, `)` or the end."""
        if self.next and self.next != ")" and not self.next.isspace():
            raise self.unexpected(self.next)

    def unexpected(self, token: str) -> Invalid:
        return self.error(f'unexpected "{token}"', self.at)

    def error(self, message: str, index: int) -> Invalid:
        """The error to raise, with a position counted from 1."""
        detail = f'error parsing attribute "query": {message} at position {index + 1}'
        return Invalid(Problem(detail, path=("query",)))

    def _run(self, ends: frozenset[str], *, wild: bool = False, in_phrase: bool = False) -> Word:
        start = self.at
        raw: list[str] = []
        tokens: list[str | Wild] = []
        while self.next and self.next not in ends:
            before = self.at
            tokens.append(self._character(wild=wild))
            raw.append(self.text[before : self.at])
            if not in_phrase:
                self._drop_curly_quotes()
        return Word(start, "".join(raw), pattern_of(tokens))

    def _character(self, *, wild: bool) -> str | Wild:
        """escape = "\" , ? any character ?; or one character, which may be a wildcard."""
        character = self.next
        if character == "\\":
            self.at += 1
            if not self.next:
                raise self.error('missing character after "\\"', self.at - 1)
            character, wild = self.next, False
        self.at += 1
        return Wild(character) if wild and character in WILDCARDS else character
