"""Tables of aligned columns, as text."""

from collections.abc import Collection, Iterator, Sequence

from theodora.report.wording import visible


def aligned(
    rows: Sequence[Sequence[str]], right: Collection[int] = (), gap: int = 2
) -> Iterator[str]:
    """The lines of a table; columns whose numbers are in `right` end where they are widest."""
    rows = [list(map(visible, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            cell.rjust(width) if index in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield (" " * gap).join(cells).rstrip()
