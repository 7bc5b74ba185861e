"""Runs of one parser over spoilt inputs."""

from dataclasses import dataclass, field
from random import Random
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage

from fuzz.parsers import Parser
from fuzz.spoiling import Spoiler, shortest

LONGEST_SEC = 1.0
"""CPU time that one input may take."""


def _cpu_sec() -> float:
    """CPU time of this process and of those that it has started."""
    usage = [getrusage(who) for who in (RUSAGE_SELF, RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in usage)


@dataclass
class Run:
    """Inputs of one parser, and the shortest forms of those that failed."""

    parser: Parser
    seed: int
    inputs: int = 0
    accepted: int = 0
    failures: dict[str, bytes] = field(default_factory=dict[str, bytes])
    """By what was raised, and where."""

    def __post_init__(self) -> None:
        examples = (*self.parser.examples, *self.parser.found())
        rng = Random(f"{self.seed} {self.parser.name}")
        self._spoiler = Spoiler(rng, examples, self.parser.pieces)

    def go_on(self, cpu_sec: float) -> None:
        """Reads inputs for so long."""
        until = _cpu_sec() + cpu_sec
        while _cpu_sec() < until:
            data = self._spoiler.next()
            self.inputs += 1
            failure, is_accepted = tried(self.parser, data)
            if is_accepted:
                self.accepted += 1
                self._spoiler.accept(data)
            elif failure and failure not in self.failures:
                self.failures[failure] = shortest(
                    data, lambda each, failure=failure: tried(self.parser, each)[0] == failure
                )


def tried(parser: Parser, data: bytes) -> tuple[str, bool]:
    """How the input failed, empty if it did not; and whether it is sound.

    It takes too long if it does so twice: other threads may have been busy the first time.
    """
    for _ in range(2):
        began = _cpu_sec()
        try:
            is_accepted = parser.accepts(data)
        except Exception as error:
            return _described(error), False
        if _cpu_sec() - began <= LONGEST_SEC:
            return "", is_accepted
    return "takes too long", False


def _described(error: BaseException) -> str:
    """The kind of error, and the line of the code that raised it."""
    last = error.__traceback__
    while last and last.tb_next:
        last = last.tb_next
    assert last
    return f"{type(error).__name__} in {last.tb_frame.f_code.co_qualname}:{last.tb_lineno}"
