"""What differs between two folders."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repositories import tree_data
from theodora.errors import Invalid
from theodora.git.trees import Entry, differing_entries

names = st.binary(min_size=1, max_size=3).filter(lambda name: not set(name) & set(b"/\0"))
shas = st.sampled_from(["0" * 40, "1" * 40, "a" * 40]) | st.binary(min_size=20, max_size=20).map(
    bytes.hex
)
folders = st.dictionaries(names, st.tuples(st.sampled_from(["100644", "40000"]), shas))


@given(folders, folders, folders)
def test_the_entries_that_only_one_has_are_found(
    both: dict[bytes, tuple[str, str]],
    one: dict[bytes, tuple[str, str]],
    other: dict[bytes, tuple[str, str]],
) -> None:
    before, after = (
        [(mode, name, sha) for name, (mode, sha) in sorted((both | some).items())]
        for some in (one, other)
    )
    gone, new = differing_entries(tree_data(*before), tree_data(*after), 40)
    assert readable(gone) == set(before) - set(after)
    assert readable(new) == set(after) - set(before)


def readable(entries: set[Entry]) -> set[tuple[str, bytes, str]]:
    return {(mode.decode(), name, sha.hex()) for mode, name, sha in entries}


def test_equal_folders_do_not_differ() -> None:
    tree = tree_data(("100644", b"a", "1" * 40))
    assert differing_entries(tree, tree, 40) == (set(), set())


@pytest.mark.parametrize("data", [b"x", b"100644 a\0short", b"100644 a/b\0" + bytes(20)])
def test_what_is_not_made_of_entries_is_refused(data: bytes) -> None:
    with pytest.raises(Invalid):
        differing_entries(b"", data, 40)
