"""Progress of long work."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Given the step, how much of it is done, and how much there is in all."""


def unseen(_step: str, _done: int, _of: int) -> None:
    """Progress that is not shown."""
