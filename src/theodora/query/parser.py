"""The recursive-descent parser of queries.

The docstring of a method is the grammar rule that it reads; the scanner reads characters, words and
phrases.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache
from typing import TypeAlias

from theodora.errors import Invalid, Problem
from theodora.query.ast import (
    NOTHING,
    Bound,
    Everything,
    Exists,
    Production,
    Query,
    Text,
    TextRange,
    Wildcard,
    all_of,
    any_of,
    complement,
)
from theodora.query.fields import Field, Kind, Tag, Target, Type, bare
from theodora.query.operands import (
    EXPECTED,
    Exact,
    equals,
    exact,
    first_integer,
    last_integer,
    number_range,
    parse_number,
)
from theodora.query.patterns import Pattern, Wild
from theodora.query.pull_request_fields import resolver
from theodora.query.scanner import Operator, Scanner, Word
from theodora.query.words import words_of_term

MAX_CHARACTERS = 4096
MAX_TERMS = 500
MAX_NESTING = 50

_OR = ("OR", "||")
_AND = ("AND", "&&")
_MODIFIERS = ("NOT", "-", "+")
_COMPARISONS = (">=", "<=", ">", "<")


class Unnamed(Enum):
    """Targets of a value other than a field; the value is the name."""

    FREE_TEXT = ""
    EVERYWHERE = "*"
    EXISTING = "_exists_"
    MISSING = "_missing_"
    STATE = "is"


_UNNAMED = {unnamed.value: unnamed for unnamed in Unnamed}

RESERVED = frozenset(("AND", "OR", "NOT", *(name for name in _UNNAMED if name not in {"", "*"})))
"""The words that are no tag's key unless they are escaped."""

STATES: Mapping[str, Query] = {"production": Production()}
"""The values that may follow `is:`."""

Scope: TypeAlias = Target | Unnamed
"""The target of the current values, unless a clause names another."""


@dataclass(frozen=True, slots=True)
class _End:
    """One end of a range, as written, and where."""

    text: str
    start: int
    inclusive: bool


def parse(text: str, kind: Kind = Kind.DEPLOYMENT) -> Query:
    """Parses `text`; raises `Invalid` with the position of the error.

    `kind` decides what names mean: deployments and failures share theirs.
    """
    if len(text) > MAX_CHARACTERS:
        detail = f'attribute "query" must be at most {MAX_CHARACTERS} characters'
        raise Invalid(Problem(detail, path=("query",)))
    return _Parser(text, resolver(kind)).query()


class _Parser(Scanner):
    def __init__(self, text: str, resolve: Callable[[str], Target]) -> None:
        super().__init__(text)
        self._resolve = resolve
        self._terms = 0
        self._nesting = 0

    def query(self) -> Query:
        """query = [ or_expr ]"""
        self.skip_space()
        if not self.next:
            return Everything()
        query = self._or_expr(Unnamed.FREE_TEXT)
        if self.next:
            raise self.unexpected(self.next)
        return query

    def _or_expr(self, scope: Scope) -> Query:
        """or_expr = and_expr , { ( "OR" | "||" ) , and_expr }"""
        parts = [self._and_expr(scope, None)]
        while operator := self._take_operator(_OR):
            parts.append(self._and_expr(scope, operator))
        return any_of(parts)

    def _and_expr(self, scope: Scope, before: Operator | None) -> Query:
        """and_expr = clause , { [ "AND" | "&&" ] , clause }"""
        parts = [self._clause(scope, before)]
        while self.next not in {"", ")"} and not self.operator(*_OR):
            parts.append(self._clause(scope, self._take_operator(_AND)))
        return all_of(parts)

    def _clause(self, scope: Scope, before: Operator | None) -> Query:
        """clause = [ "NOT" | "-" | "+" ] , primary"""
        self.skip_space()
        modifier = self._take_operator(_MODIFIERS)
        if modifier and (second := self.operator(*_MODIFIERS)):
            raise self.unexpected(second.raw)
        self._expect_term(modifier or before)
        query = self._primary(scope)
        self.skip_space()
        return complement(query) if modifier and modifier.raw != "+" else query

    def _expect_term(self, before: Operator | None) -> None:
        operator = self.operator(*_AND, *_OR)
        if self.next not in {"", ")"} and not operator:
            return
        if before:
            raise self.error(f'missing term after "{before.raw}"', before.start)
        if operator:
            raise self.error(f'missing term before "{operator.raw}"', operator.start)
        if not self._nesting:
            raise self.unexpected(self.next)
        raise self.error("missing value", self.at)

    def _primary(self, scope: Scope) -> Query:
        """primary = "*:*" | [ name , ":" ] , ( value | group )

        name = plainword | "*"
        """
        if not self.starts_word():
            return self._value_or_group(scope)
        word = self.word()
        if (word.text is not None or word.raw == "*") and self.take(":"):
            return self._named(self._scope(word))
        return self._word(scope, word)

    def _named(self, scope: Scope) -> Query:
        """What follows `name:`, where every word is a value."""
        self.skip_space()
        if self.next in {"", ")"}:
            raise self.error("missing value", self.at)
        if self.starts_word():
            return self._word(scope, self.word())
        return self._value_or_group(scope)

    def _value_or_group(self, scope: Scope) -> Query:
        """value = "*" | phrase | comparison | range | word, but for those of characters"""
        match self.next:
            case "(":
                return self._group(scope)
            case '"':
                return self._phrase(scope)
            case "[" | "{":
                return self._range(scope)
            case ">" | "<":
                return self._comparison(scope)
            case other:
                raise self.unexpected(other)

    def _group(self, scope: Scope) -> Query:
        """group = "(" , or_expr , ")" """
        opener = self.at
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            raise self.error(f"nested more than {MAX_NESTING} levels", opener)
        self.take("(")
        query = self._or_expr(scope)
        if not self.take(")"):
            raise self.error('missing ")"', opener)
        self._nesting -= 1
        return query

    def _word(self, scope: Scope, word: Word) -> Query:
        self.end_of_word()
        self._count_term(word.start)
        match scope:
            case Unnamed.FREE_TEXT | Unnamed.EVERYWHERE:
                return Everything() if word.raw == "*" else _text(scope, word.pattern)
            case Unnamed.EXISTING | Unnamed.MISSING:
                if word.text is None:
                    raise self._unexpected_wildcard(word)
                return _existence(scope, self._target(word))
            case Unnamed.STATE:
                return self._state(word.text, word.start)
            case Field() | Tag():
                return _about(scope, word)

    def _phrase(self, scope: Scope) -> Query:
        start = self.at
        self._count_term(start)
        text = self.phrase()
        match scope:
            case Unnamed.FREE_TEXT | Unnamed.EVERYWHERE:
                return _text(scope, (text,))
            case Unnamed.EXISTING | Unnamed.MISSING:
                return _existence(scope, self._resolve(text))
            case Unnamed.STATE:
                return self._state(text, start)
            case Field() | Tag():
                return equals(scope, text)

    def _state(self, text: str | None, start: int) -> Query:
        """The condition after `is:`; an unknown value is an error, because it would silently find
        nothing."""
        found = None if text is None else STATES.get(text)
        if found is None:
            known = " ".join(STATES)
            raise self.error(f'attribute "is" must be one of "{known}"', start)
        return found

    def _comparison(self, scope: Scope) -> Query:
        """comparison = ( ">=" | "<=" | ">" | "<" ) , ( phrase | operand )"""
        target = self._comparable(scope)
        sign = next(filter(self.take, _COMPARISONS))
        start = self.at
        text = self.phrase() if self.next == '"' else self._operand()
        end = _End(text, start, inclusive=sign.endswith("="))
        low, high = (end, None) if sign.startswith(">") else (None, end)
        return self._between(target, low, high)

    def _operand(self) -> str:
        start = self.at
        if self.next in {"", ")"} or self.next.isspace():
            raise self.error("missing value", start)
        text = self.operand()
        self.end_of_word()
        return text

    def _range(self, scope: Scope) -> Query:
        """range = ( "[" | "{" ) , bound , "TO" , bound , ( "]" | "}" )"""
        opener = self.at
        target = self._comparable(scope)
        inclusive = self.take("[") or not self.take("{")
        low = self._bound(opener, inclusive=inclusive)
        if not self._take_operator(("TO",)):
            raise self.error("invalid range", opener)
        high = self._bound(opener, inclusive=True)
        if not self.take("]"):
            if not self.take("}"):
                raise self.error("invalid range", opener)
            high = high and replace(high, inclusive=False)
        return self._between(target, low, high)

    def _bound(self, opener: int, *, inclusive: bool) -> _End | None:
        """bound = "*" | phrase | boundchar , { boundchar }"""
        self.skip_space()
        start = self.at
        is_open = False
        if self.next == '"':
            text = self.phrase()
        else:
            word = self.bound()
            if not word.raw:
                raise self.error("invalid range", opener)
            is_open, text = word.raw == "*", word.text or ""
        self.skip_space()
        return None if is_open else _End(text, start, inclusive)

    def _comparable(self, scope: Scope) -> Target:
        """The target of a comparison or range, which counts as a term."""
        self._count_term(self.at)
        match scope:
            case Unnamed.FREE_TEXT | Unnamed.EVERYWHERE:
                raise self.error("text cannot be compared", self.at)
            case Unnamed():
                raise self.error(f'attribute "{scope.value}" cannot be compared', self.at)
            case Field(type=Type.BOOLEAN):
                raise self.error(f'attribute "{scope.name}" cannot be compared', self.at)
            case Field() | Tag():
                return scope

    def _between(self, target: Target, low: _End | None, high: _End | None) -> Query:
        if not low and not high:
            return Exists(target)
        if isinstance(target, Tag) or target.type not in EXPECTED:
            return TextRange(
                target, low and _text_bound(target, low), high and _text_bound(target, high)
            )
        return number_range(
            target,
            low and first_integer(self._exact(target, low), inclusive=low.inclusive),
            high and last_integer(self._exact(target, high), inclusive=high.inclusive),
        )

    def _exact(self, field: Field, end: _End) -> Exact:
        value = exact(field.type, end.text)
        if value is None:
            raise self.error(f"expected {EXPECTED[field.type]}", end.start)
        return value

    def _scope(self, name: Word) -> Scope:
        """The target of values after `name:`; an escaped name is that of a field or a tag."""
        return _UNNAMED.get(bare(name.raw)) or self._target(name)

    def _target(self, name: Word) -> Target:
        """What a word without wildcards names; an escaped `@` is a plain one."""
        text = name.text or ""
        return Tag(text) if name.raw.startswith("\\@") else self._resolve(text)

    def _take_operator(self, raws: Iterable[str]) -> Operator | None:
        operator = self.operator(*raws)
        if operator:
            self.take(operator.raw)
            self.skip_space()
        return operator

    def _unexpected_wildcard(self, name: Word) -> Invalid:
        """Reads the name again, up to the wildcard that no name may hold."""
        self.at = name.start
        self.plain_word()
        return self.unexpected(self.next)

    def _count_term(self, start: int) -> None:
        self._terms += 1
        if self._terms > MAX_TERMS:
            raise self.error(f"more than {MAX_TERMS} terms", start)


def _text(scope: Scope, term: Pattern) -> Query:
    sought = words_of_term(term)
    return Text(sought, everywhere=scope is Unnamed.EVERYWHERE) if sought else NOTHING


def _existence(scope: Scope, target: Target) -> Query:
    found = NOTHING if target == Tag("") else Exists(target)
    return found if scope is Unnamed.EXISTING else complement(found)


def _about(target: Target, word: Word) -> Query:
    if word.text is not None:
        return equals(target, word.text)
    return Exists(target) if word.pattern == (Wild.RUN,) else Wildcard(target, word.pattern)


def _text_bound(target: Target, end: _End) -> Bound:
    return Bound(
        end.text, parse_number(end.text) if isinstance(target, Tag) else None, end.inclusive
    )


parse_cached = lru_cache(maxsize=512)(parse)
"""The same, quick for queries that come again."""
