"""Progress bars of commands that work in steps."""

import sys
from contextlib import ExitStack

import click


class ProgressBars(ExitStack):
    """A bar for each step on the standard error, hidden if that is not a terminal."""

    def __init__(self) -> None:
        super().__init__()
        self._step = ""
        self._bar = None
        self._done = 0

    def show(self, step: str, done: int, of: int) -> None:
        if step != self._step or self._bar is None:
            self.close()
            hidden = not sys.stderr.isatty()
            self._bar = self.enter_context(
                click.progressbar(length=of, label=f"{step:<12}", file=sys.stderr, hidden=hidden)
            )
            self._step, self._done = step, 0
        self._bar.update(done - self._done)
        self._done = done
