"""The shape of a Python repository: folders, rooms and arrows, functions, comments, tests.

    python -m bench.house [NAME=]CHECKOUT[:PACKAGE[:TESTS]]...

PACKAGE and TESTS are the folders of the source and of its tests; by default the only package of
`src/` or of the checkout, and `tests/`. A room is a folder, or a file beside other folders: what
can have a place of its own in the order of imports. An arrow is an import from one room in another.
Floors are the longest way along the arrows. An arrow runs upwards if it has to be left out for the
rooms to have an order: few such arrows are chosen, by a heuristic.
"""

import ast
import io
import re
import sys
import tokenize
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import NamedTuple

_PRAGMA = re.compile(r"#\s*(noqa|type:|pyright:|fmt:|pragma|!)")

Arrows = Mapping[str, frozenset[str]]
"""By room, the other rooms that it imports from."""


class Module(NamedTuple):
    """A file of the source, parsed."""

    name: str
    folder: str
    room: str
    text: str
    nodes: tuple[ast.AST, ...]
    """All of its tree."""
    is_package: bool


class Shape(NamedTuple):
    """The counts of one checkout: a column of the table."""

    source_lines: int
    folders: int
    files_median: float
    files_max: int
    rooms: int
    floors: int
    arrows: int
    upwards: int
    twice: int
    comments: float
    function_median: float
    function_p95: int
    function_longest: int
    functions_long: int
    module_longest: int
    tests: float


_LONG_LINES = 40
"""More lines than these make a function long."""

_ROWS = (
    ("lines of source", "{0.source_lines:,}"),
    ("folders", "{0.folders}"),
    ("files a folder, median / most", "{0.files_median:g} / {0.files_max}"),
    ("rooms on floors", "{0.rooms} on {0.floors}"),
    ("arrows between rooms, upwards", "{0.arrows}, {0.upwards}"),
    ("class names that exist twice", "{0.twice}"),
    ("comments, % of lines", "{0.comments:.1f}"),
    (
        "lines of a function, median / p95 / longest",
        "{0.function_median:g} / {0.function_p95} / {0.function_longest}",
    ),
    (f"functions of more than {_LONG_LINES} lines", "{0.functions_long}"),
    ("longest module, lines", "{0.module_longest:,}"),
    ("lines of tests to source", "{0.tests:.2f}"),
)


def main() -> None:
    """Prints a table with a column a checkout."""
    columns = [_column(argument) for argument in sys.argv[1:] or ["."]]
    print("| |", " | ".join(name for name, _ in columns), "|")
    print("|---" * (len(columns) + 1) + "|")
    for label, form in _ROWS:
        print(f"| {label} |", " | ".join(form.format(shape) for _, shape in columns), "|")


def _column(argument: str) -> tuple[str, Shape]:
    name, equals, place = argument.rpartition("=")
    checkout, *folders = place.split(":")
    root = Path(checkout).resolve()
    package = root / folders[0] if folders else _only_package(root)
    tests = root / (folders[1] if len(folders) > 1 else "tests")
    return name if equals else root.name, measure(package, tests)


def _only_package(root: Path) -> Path:
    beneath = root / "src" if (root / "src").is_dir() else root
    found = [
        each.parent for each in beneath.glob("*/__init__.py") if each.parent.name[:4] != "test"
    ]
    if len(found) != 1:
        raise SystemExit(f"{root} has {len(found)} packages; name one: {root}:PACKAGE")
    return found[0]


def measure(package: Path, tests: Path) -> Shape:
    """The shape of one package, without tests that it may have inside."""
    modules = [module for module in _modules(package) if "tests" not in module.name.split(".")]
    files = Counter(module.folder for module in modules)
    arrows = arrows_between(modules)
    upwards = arrows_upwards(arrows)
    lengths = sorted(_function_lengths(modules))
    lines = [module.text.count("\n") + 1 for module in modules]
    test_lines = sum(path.read_text(errors="replace").count("\n") for path in tests.rglob("*.py"))
    return Shape(
        source_lines=sum(lines),
        folders=len(files),
        files_median=median(files.values()),
        files_max=max(files.values()),
        rooms=len(arrows),
        floors=floors({a: to - {b for x, b in upwards if x == a} for a, to in arrows.items()}),
        arrows=sum(map(len, arrows.values())),
        upwards=len(upwards),
        twice=sum(count > 1 for count in _classes(modules).values()),
        comments=100 * sum(_comments(module.text) for module in modules) / sum(lines),
        function_median=median(lengths),
        function_p95=lengths[round(0.95 * (len(lengths) - 1))],
        function_longest=lengths[-1],
        functions_long=sum(length > _LONG_LINES for length in lengths),
        module_longest=max(lines),
        tests=test_lines / sum(lines),
    )


def _modules(package: Path) -> Iterator[Module]:
    paths = sorted(package.rglob("*.py"))
    split = {path.parent.parent for path in paths}
    for path in paths:
        parts = path.relative_to(package.parent).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        folder = ".".join(parts[:-1])
        room = ".".join(parts) if path.parent in split else folder
        text = path.read_text(errors="replace")
        yield Module(name, folder, room, text, tuple(ast.walk(ast.parse(text))), is_package)


def arrows_between(modules: Iterable[Module]) -> Arrows:
    """The imports between rooms, at whatever place in a module they stand."""
    room_of = {module.name: module.room for module in modules}
    found: dict[str, set[str]] = {room: set() for room in room_of.values()}
    for module in modules:
        for name in _imported(module):
            known = next((each for each in _prefixes(name) if each in room_of), None)
            if known and room_of[known] != module.room:
                found[module.room].add(room_of[known])
    return {room: frozenset(targets) for room, targets in found.items()}


def _prefixes(name: str) -> Iterator[str]:
    """A dotted name, then the packages that hold it, from the innermost out."""
    while name:
        yield name
        name = name.rpartition(".")[0]


def _imported(module: Module) -> Iterator[str]:
    """The full names of what a module imports, each name of a package by itself."""
    for node in module.nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level:
                parts = module.name.split(".")
                kept = len(parts) - node.level + module.is_package
                origin = ".".join(filter(None, (*parts[:kept], origin)))
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def arrows_upwards(arrows: Arrows) -> list[tuple[str, str]]:
    """Few arrows without which there are no circles (Eades, Lin and Smyth 1993)."""
    left: dict[str, int] = {}
    remaining = set(arrows)
    first: list[str] = []
    last: list[str] = []
    while remaining:
        for room in sorted(remaining):
            after = len(arrows[room] & remaining)
            before = sum(room in arrows[other] for other in remaining)
            left[room] = after - before
            if not after or not before:
                chosen, place = room, first if after else last
                break
        else:
            chosen, place = max(sorted(remaining), key=left.__getitem__), first
        place.append(chosen)
        remaining.remove(chosen)
    order = {room: number for number, room in enumerate([*first, *reversed(last)])}
    return [(a, b) for a, targets in arrows.items() for b in targets if order[b] < order[a]]


def floors(arrows: Arrows) -> int:
    """How many rooms the longest way along the arrows passes; there must be no circle."""
    height: dict[str, int] = {}

    def height_of(room: str) -> int:
        if room not in height:
            height[room] = 1 + max(map(height_of, arrows[room]), default=0)
        return height[room]

    return max(map(height_of, arrows), default=0)


def _function_lengths(modules: Iterable[Module]) -> Iterator[int]:
    for module in modules:
        for node in module.nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno
                yield node.end_lineno - node.lineno + 1


def _classes(modules: Iterable[Module]) -> Mapping[str, int]:
    """In how many modules a class of each name is defined."""
    places: dict[str, set[str]] = defaultdict(set)
    for module in modules:
        for node in module.nodes:
            if isinstance(node, ast.ClassDef):
                places[node.name].add(module.name)
    return {name: len(found) for name, found in places.items()}


def _comments(text: str) -> int:
    """Lines with a comment for people."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return sum(
        token.type == tokenize.COMMENT and not _PRAGMA.match(token.string) for token in tokens
    )


if __name__ == "__main__":
    main()
