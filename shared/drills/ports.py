"""Ports of drills, beside those that they share with others (`EndpointControl`, `Names`)."""

from collections.abc import Collection
from typing import Protocol

from shared.drills.model import Seen, ServiceAnswer
from shared.groups.model import ONLY_200, StatusRanges


class ServiceLooks(Protocol):
    """Asking the service as a device does: by its name, and whoever that leads to. Never raises."""

    async def ask(
        self, host: str, *, port: int, path: str, scep: bool, expected: StatusRanges = ONLY_200
    ) -> ServiceAnswer:
        """GetCACaps and GetCACert at the path, or one GET when it is no SCEP server."""
        ...

    async def begin_at(self, host: str, addresses: Collection[str]) -> None:
        """Be a device that was led to one of these addresses just now, if DNS does so within a few questions.

        It is the one that waits longest when that region is lost.
        """
        ...


class Look(Protocol):
    """Looking at the group anew; what other parts of the product know comes with it.

    May raise Unavailable, Throttled, Denied or NotFound.
    """

    async def __call__(self, *, prove: bool) -> Seen:
        """`prove` asks for a SCEP proof of every region that is as young as a permit needs."""
        ...
