"""What a run prints: colours on a terminal, plain lines elsewhere. Key names, never values."""

import sys
import time
from dataclasses import dataclass, field

from rich.console import Console
from rich.text import Text


@dataclass
class Teller:
    """Tells a scene as it happens, and remembers every line for the test that looks for values."""

    console: Console = field(
        default_factory=lambda: Console(highlight=False, soft_wrap=True, file=sys.stdout)
    )
    lines: list[str] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)

    def title(self, number: int, of: int, name: str, about: str) -> None:
        """A scene begins."""
        self._print(Text.assemble((f"\nScene {number} of {of}: {name}", "bold")))
        self._print(Text(f"  {about}", style="dim"))

    def say(self, text: str) -> None:
        """Something happened."""
        self._print(Text.assemble((f"  {self._clock()} ", "dim"), text))

    def command(self, line: str) -> None:
        """A command that a person types."""
        self._print(Text.assemble((f"  {self._clock()} ", "dim"), (f"$ {line}", "cyan")))

    def output(self, text: str) -> None:
        """What a command printed."""
        for line in text.rstrip().splitlines():
            self._print(Text(f"           | {line}"))

    def checked(self, what: str, *, ok: bool) -> None:
        """Something was checked."""
        mark, style = ("ok  ", "green") if ok else ("FAIL", "bold red")
        self._print(Text.assemble("    ", (mark, style), " ", what))

    def last(self, text: str, *, ok: bool) -> None:
        """The last line."""
        self._print(Text(text, style="bold green" if ok else "bold red"))

    def _clock(self) -> str:
        return f"{time.monotonic() - self._began:6.1f}s"

    def _print(self, text: Text) -> None:
        self.lines.append(text.plain)
        self.console.print(text)
