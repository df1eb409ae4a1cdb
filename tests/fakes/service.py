"""The service through its name, by a rule of the test's: the port ServiceLooks."""

from collections.abc import Callable, Collection

from shared.clock import Clock
from shared.drills.model import ServiceAnswer
from shared.groups.model import ONLY_200, StatusRanges


class FakeService:
    """`answers` says what a device gets at this moment: the address that it was led to, and the problem, if any."""

    def __init__(self, answers: Callable[[], tuple[str, str]], *, clock: Clock) -> None:
        self.answers = answers
        self.asked = 0
        self.began_at: set[str] = set()
        self._clock = clock

    async def begin_at(self, host: str, addresses: Collection[str]) -> None:
        """Noted."""
        self.began_at = set(addresses)

    async def ask(
        self, host: str, *, port: int, path: str, scep: bool, expected: StatusRanges = ONLY_200
    ) -> ServiceAnswer:
        """Return what `answers` says."""
        self.asked += 1
        address, problem = self.answers()
        return ServiceAnswer(at=self._clock.now(), address=address, problem=problem)
