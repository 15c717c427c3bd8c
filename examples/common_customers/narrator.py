"""What the person at the terminal sees: one line for each step as it happens, a sign and a word, never colour alone."""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TextIO

from examples.common_customers.processes import StepFailed


@dataclass(slots=True)
class Narrator:
    """Writes to `out`.  failed: name of the step that did not do what it should, or empty."""

    out: TextIO = field(default_factory=lambda: sys.stdout)
    started: float = field(default_factory=time.monotonic)
    failed: str = ""

    def line(self, text: str = "") -> None:
        """A plain line."""
        print(text, file=self.out, flush=True)

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[Callable[[str], None]]:
        """A step; what the body says is printed with a sign and its seconds when it ends.

        A StepFailed in the body prints its text, and goes on up.
        """
        said: list[str] = []
        begun = time.monotonic()
        try:
            yield said.append
        except StepFailed as failed:
            self.failed = name
            self.line(f" {self._paint('✗ failed', 31)}  {name:<16} {failed}")
            raise
        first, *more = said or [""]
        self.line(f" {self._paint('✓', 32)} {name:<16} {first:<72} {time.monotonic() - begun:5.1f} s")
        for text in more:
            self.line(f"   {'':<16} {text}")

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self.started

    def _paint(self, text: str, colour: int) -> str:
        plain = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb" or not self.out.isatty()
        return text if plain else f"\x1b[{colour}m{text}\x1b[0m"
