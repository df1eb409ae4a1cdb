"""A small world with drills in it: minutes pass, the timer runs, a drill takes its time, resolvers keep answers."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec

from handlers import drill, drill_abort, drill_report, drill_status, drills, reconcile
from handlers._edge import Answer, Asked
from shared.drills.model import Drill
from shared.drills.workflow import list_drills
from shared.groups.model import MonitorStatus
from tests.builders import GROUP, host
from tests.fakes.names import address_of
from tests.incidents.watching import Watched

TTL = 60  # of the profile in these worlds


class Drilled(Watched):
    """A group that is watched by the timer, with drills, and a resolver that keeps answers for their time to live."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._kept: tuple[str, ...] = ()
        self._kept_until = self.clock.now()
        self.names.lead = self._resolved
        self.service.answers = self._device

    def _resolved(self, name: str) -> tuple[str, ...]:
        if name in {host(region) for region in self.regions}:
            return (name,)
        if self.clock.now() >= self._kept_until:
            self._kept = self._led(name)
            self._kept_until = self.clock.now() + timedelta(seconds=TTL)
        return self._kept

    def _device(self) -> tuple[str, str]:
        led = self._resolved("the service")
        if not led:
            return "", "the name does not resolve"
        (region,) = [region for region in self.regions if host(region) == led[0]]
        return address_of(led[0]), "" if self.answers(region) else "GetCACaps answered 503"

    async def minute(self, count: int = 1) -> None:
        """So many turns of the timer, at each full minute; Traffic Manager has seen what was enabled."""
        for _ in range(count):
            now = self.clock.now()
            full = (now + timedelta(minutes=1)).replace(second=0, microsecond=0)
            self.clock.advance((full - now).total_seconds())
            for endpoint in self.profiles.profiles[0].endpoints:
                if endpoint.status is MonitorStatus.CHECKING:
                    self.status(
                        endpoint.name,
                        MonitorStatus.ONLINE if self.answers(endpoint.name) else MonitorStatus.DEGRADED,
                    )
            await reconcile.handle("{}", ports=self.ports, settings=self.settings)

    async def ask_for(self, region: str = "west", *, key: str = "", person: str = "", **body: Any) -> Answer:
        """POST /api/drills."""
        asked: Mapping[str, Any] = {
            "group": GROUP,
            "region": region,
            "observe_seconds": 180,
            "target_rto_seconds": 120,
            **body,
        }
        raw = msgspec.json.encode(asked)
        return await drill.handle(
            Asked(body=raw, person=person, idempotency=key), ports=self.ports, settings=self.settings
        )

    async def begun(self, region: str = "west", **body: Any) -> str:
        """A drill that is accepted; its id."""
        answer = await self.ask_for(region, **body)
        assert answer.status == 202, answer.body
        return str(answer.body["id"])

    async def told(self, id_: str) -> dict[str, Any]:
        """GET /api/drills/{id}."""
        asked = Asked(body=b"", person="", params={"id": id_})
        answer = await drill_status.handle(asked, ports=self.ports, settings=self.settings)
        return dict(answer.body)

    async def report(self, id_: str) -> Answer:
        """GET /api/drills/{id}/report."""
        asked = Asked(body=b"", person="", params={"id": id_})
        return await drill_report.handle(asked, ports=self.ports, settings=self.settings)

    async def listed(self, group: str = "") -> dict[str, Any]:
        """GET /api/drills."""
        asked = Asked(body=b"", person="", query={"group": group} if group else {})
        return dict((await drills.handle(asked, ports=self.ports, settings=self.settings)).body)

    async def abort(self, id_: str, body: bytes = b"") -> Answer:
        """POST /api/drills/{id}/abort."""
        asked = Asked(body=body, person="ada", params={"id": id_})
        return await drill_abort.handle(asked, ports=self.ports, settings=self.settings)

    async def drill(self) -> Drill:
        """The newest one."""
        return (await list_drills(self.store))[0]

    def is_enabled(self, region: str) -> bool:
        """Return whether the endpoint is."""
        (found,) = [endpoint for endpoint in self.profiles.profiles[0].endpoints if endpoint.name == region]
        return found.enabled

    def all_enabled(self) -> bool:
        """Return whether every endpoint is."""
        return all(endpoint.enabled for endpoint in self.profiles.profiles[0].endpoints)


async def a_world(**kwargs: Any) -> Drilled:
    """A pair that was seen well, with settings that agree."""
    world = Drilled(**kwargs)
    await world.minute(2)
    return world
