"""A way to tell that keeps what it was told: the outbox's Channel."""

from shared.errors import AppError
from shared.outbox import Letter


class FakeChannel:
    """`letters` lists what was taken. `fails` is raised, once each, before anything is taken."""

    def __init__(self, *, for_people: bool = True) -> None:
        self.for_people = for_people
        self.letters: list[Letter] = []
        self.fails: list[AppError] = []
        self.down: AppError | None = None  # raised every time

    async def send(self, letter: Letter) -> None:
        """Take the letter, or fail."""
        if self.down is not None:
            raise self.down
        if self.fails:
            raise self.fails.pop(0)
        self.letters.append(letter)

    @property
    def titles(self) -> list[str]:
        """The headlines, in order."""
        return [letter.card.title for letter in self.letters]

    @property
    def kinds(self) -> list[str]:
        """The kinds, in order."""
        return [letter.kind for letter in self.letters]
