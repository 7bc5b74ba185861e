"""The suggestion for a query that cannot be parsed."""

from hypothesis import given
from hypothesis import strategies as st

from theodora.query import parse
from theodora.query.suggestion import suggested_query


@given(st.text(alphabet='ab :()[]"\\-+*?<>=TO&|{}~!🚀', max_size=30), st.integers(1, 31))
def test_what_is_suggested_can_always_be_read(text: str, position: int) -> None:
    """Whatever was typed, and wherever it went wrong."""
    suggestion = suggested_query(text, position)
    assert not suggestion or parse(suggestion)
