"""A queue in a list: the port Errands."""

from collections.abc import Callable
from datetime import timedelta

from shared.fleet import Failed


def _nothing(_text: str) -> None:
    """A hook that lets everything pass."""


class FakeErrands:
    """Errands in order of sending, with the time they live. `before_send` raises to make a sending fail."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, timedelta]] = []
        self.set_aside: list[str] = []  # what the host gave up
        self.before_send: Callable[[str], None] = _nothing

    async def send(self, text: str, *, lives: timedelta) -> None:
        """Append."""
        self.before_send(text)
        self.sent.append((text, lives))

    async def failed(self) -> tuple[Failed, ...]:
        """All that was set aside."""
        return tuple(Failed(f"{number}", text) for number, text in enumerate(self.set_aside))

    async def forget(self, failed: Failed) -> None:
        """Remove it."""
        if failed.text in self.set_aside:
            self.set_aside.remove(failed.text)

    def taken(self) -> list[str]:
        """Everything sent, which is not there any more after."""
        texts, self.sent = [text for text, _ in self.sent], []
        return texts
