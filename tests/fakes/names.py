"""DNS in a dictionary: the port Names."""

from collections.abc import Callable

from shared.clock import Clock
from shared.groups.model import NameAnswer

type Led = tuple[str, ...]


class FakeNames:
    """What each name leads to, as aliases; a name without an entry has no address. `asked` lists the questions.

    `lead` may be set to compute the aliases of any name instead. The last alias has the address.
    """

    def __init__(self, *, clock: Clock, lead: Callable[[str], Led] | None = None) -> None:
        self.names: dict[str, Led] = {}
        self.asked: list[str] = []
        self.lead = lead
        self._clock = clock

    async def resolve(self, name: str) -> NameAnswer:
        """The aliases, with one address."""
        self.asked.append(name)
        led = self.lead(name) if self.lead else self.names.get(name, ())
        now = self._clock.now()
        if not led:
            return NameAnswer(at=now, problem=f"resolve {name}: NXDOMAIN: there is no such name")
        return NameAnswer(at=now, names=led, addresses=(address_of(led[-1]),))


def address_of(name: str) -> str:
    """The address that stands for a name: the same for the same name."""
    return f"192.0.2.{sum(name.encode()) % 250 + 1}"
