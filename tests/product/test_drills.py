"""Drills over real HTTP: the function app in the real worker library, against the simulated cloud."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from shared.adapters.sqlite import SqliteStore
from shared.drills.model import State
from shared.settings_sync.model import State as RolloutState
from shared.settings_sync.workflow import read_rollout
from simulator.device import Device
from simulator.pair import a_pair
from simulator.roles import EVENT_GRID_DATA_SENDER
from simulator.server import Cloud
from simulator.stage import Stage
from simulator.stage.process import ROOT
from simulator.world import EndpointState, ProfileState

TIMES = {
    "COUNTERPART_PROBE_EVERY": "200ms",
    "COUNTERPART_PROVE_EVERY": "1s",
    "COUNTERPART_SOAK": "0s",
    "COUNTERPART_VERIFY_DEADLINE": "2s",
    "COUNTERPART_CONFIRM_AFTER": "0s",
    "COUNTERPART_FLAP_WINDOW": "100ms",
    "COUNTERPART_SERVICE_HOSTS": "scepman=scep.contoso.test",
    "COUNTERPART_DRILL_SAMPLE_EVERY": "100ms",
    "COUNTERPART_DRILL_GIVE_UP_AFTER": "3s",
}
A_DRILL: dict[str, Any] = {
    "group": "scepman",
    "region": "weu",
    "observe_seconds": 3,
    "target_rto_seconds": 3,
    "by": "ada",
}
# What a drill needs of Resource Manager on single resources, with the comparison of settings before it.
RIGHTS = {
    "microsoft.network/trafficmanagerprofiles/azureendpoints/write",
    "microsoft.web/sites/read",
    "microsoft.web/sites/config/list/action",
}


@dataclass
class Drilling:
    """A cloud, the environment of the app in it, and a look into the app's store."""

    cloud: Cloud
    env: dict[str, str]

    @property
    def profile(self) -> ProfileState:
        return self.cloud.world.profiles["scepman"]

    @property
    def endpoint(self) -> EndpointState:
        return self.profile.endpoints[0]

    async def until(self, enabled: bool) -> None:  # noqa: FBT001 -- reads like what it waits for
        """The endpoint is so."""
        async with asyncio.timeout(40):
            while self.endpoint.enabled is not enabled:  # noqa: ASYNC110 -- the world is plain state
                await asyncio.sleep(0.02)

    async def until_settled(self) -> None:
        """The settings were compared, and both endpoints are online."""
        store = SqliteStore(self.cloud.env()["COUNTERPART_STORE"].removeprefix("sqlite:"))
        try:
            async with asyncio.timeout(30):
                while True:
                    row = await read_rollout(store, self.profile.id)
                    if row is not None and row.state is RolloutState.CONVERGED:
                        return
                    await asyncio.sleep(0.1)
        finally:
            await store.aclose()


@contextlib.asynccontextmanager
async def drilling() -> AsyncIterator[Drilling]:
    """A pair whose answers live for a second."""
    world = a_pair()
    world.speed = 50.0
    world.profiles["scepman"].ttl = 1
    async with Cloud(world) as cloud:
        yield Drilling(cloud, {**cloud.env(), **TIMES})


async def told(stage: Stage, id_: str) -> dict[str, Any]:
    """GET /api/drills/{id}."""
    return dict((await stage.call("GET", f"/api/drills/{id_}")).json())


async def until_over(stage: Stage, id_: str) -> dict[str, Any]:
    """The drill when nothing more happens."""
    async with asyncio.timeout(40):
        while True:
            found = await told(stage, id_)
            if found["ended"]:
                return found
            await asyncio.sleep(0.1)


async def until_observing(stage: Stage, id_: str) -> None:
    """It is known to have drained: of one that died in the middle of that, nobody would know for a while."""
    async with asyncio.timeout(40):
        while True:
            if (await told(stage, id_))["state"] == State.OBSERVING:
                return
            await asyncio.sleep(0.1)


async def test_the_same_request_fifty_times_at_once() -> None:
    """Under one Idempotency-Key each is answered with the same drill, whichever of them began it."""
    async with drilling() as on, Stage(ROOT, on.env, timer_every=0.3) as stage:
        await on.until_settled()
        key = {"Idempotency-Key": "a-key"}
        asked = (stage.call("POST", "/api/drills", json=A_DRILL, headers=key) for _ in range(50))
        found = await asyncio.gather(*asked)
        assert {(answer.status, answer.json()["id"]) for answer in found} == {(202, found[0].json()["id"])}


async def test_a_drill_over_http() -> None:
    """Asked for, refused a second time, watched, reported in three forms; a device is served all the while."""
    async with drilling() as on, Stage(ROOT, on.env, timer_every=0.3) as stage:
        await on.until_settled()
        dry = await stage.call("POST", "/api/drills", json={**A_DRILL, "dry_run": True})
        assert (dry.status, dry.json()["allowed"]) == (200, True), dry.text
        key = {"Idempotency-Key": "a-key"}
        device = Device(on.cloud, "scep.contoso.test")
        async with device.watch():
            begun = await stage.call("POST", "/api/drills", json=A_DRILL, headers=key)
            assert begun.status == 202, begun.text
            where = begun.headers["Location"]
            id_ = begun.json()["id"]
            assert where == f"/api/drills/{id_}"
            again = await stage.call("POST", "/api/drills", json=A_DRILL, headers=key)
            assert (again.status, again.json()["id"]) == (202, id_)
            other = await stage.call("POST", "/api/drills", json={**A_DRILL, "region": "neu"}, headers=key)
            assert other.status == 422
            await on.until(enabled=False)
            second = await stage.call("POST", "/api/drills", json={**A_DRILL, "region": "neu"})
            assert (second.status, second.json()["running"]) == (409, id_), second.text
            assert {item["rule"] for item in second.json()["preflight"]} >= {"one-at-a-time", "permit"}
            enrolment = await device.enrol("device-in-a-drill")
            assert enrolment.ok or not enrolment.installed, enrolment.reason
            over = await until_over(stage, id_)
        assert (over["state"], over["asked_by"]) == (State.SUCCEEDED, "ada"), over["reason"]
        assert on.endpoint.enabled
        assert not device.failures
        used = on.cloud.used_actions - EVENT_GRID_DATA_SENDER  # which it needs to tell of itself
        assert {name.lower() for name in used} == RIGHTS
        for accept, kind, what in (
            ("text/markdown", "text/markdown", f"# Drill {id_}"),
            ("application/json", "application/json", '"state":"succeeded"'),
            ("text/html,*/*;q=0.8", "text/html", "<svg"),
        ):
            report = await stage.call("GET", f"{where}/report", headers={"Accept": accept})
            assert report.headers["Content-Type"].startswith(kind)
            assert what in report.text
        listed = await stage.call("GET", "/api/drills?group=scepman")
        assert [item["id"] for item in listed.json()["drills"]] == [id_]
        assert (await stage.call("POST", f"{where}/abort")).status == 409
        for body in ({**A_DRILL, "observe_seconds": -1}, {**A_DRILL, "observe_seconds": 14401}, {}):
            assert (await stage.call("POST", "/api/drills", json=body)).status == 422
        assert (await stage.call("POST", "/api/drills", json={**A_DRILL, "region": "mars"})).status == 404
        assert (await stage.call("GET", "/api/drills/nothing")).status == 404


async def test_a_process_is_killed_in_the_middle_of_a_drill() -> None:
    """The region is out, the process is killed; another one gives the region back and says what happened."""
    async with drilling() as on:
        async with Stage(ROOT, on.env, timer_every=0.3) as stage:
            await on.until_settled()
            begun = await stage.call("POST", "/api/drills", json={**A_DRILL, "observe_seconds": 3600})
            id_ = begun.json()["id"]
            await until_observing(stage, id_)
            stage.signal(signal.SIGKILL)
            await asyncio.sleep(0.5)
        assert not on.endpoint.enabled
        async with Stage(ROOT, on.env, timer_every=0.3) as stage:
            await on.until(enabled=True)
            over = await until_over(stage, id_)
        assert over["state"] == State.INTERRUPTED
        assert "is gone" in over["reason"]


async def test_an_abort_gives_the_region_back_before_it_answers() -> None:
    """Whatever the timer is at."""
    async with drilling() as on, Stage(ROOT, on.env, timer_every=0.3) as stage:
        await on.until_settled()
        begun = await stage.call("POST", "/api/drills", json={**A_DRILL, "observe_seconds": 3600})
        id_ = begun.json()["id"]
        await on.until(enabled=False)
        ended = await stage.call("POST", f"/api/drills/{id_}/abort", json={"reason": "enough", "by": "ada"})
        assert ended.status == 200
        assert on.endpoint.enabled
        over = await until_over(stage, id_)
        assert (over["state"], over["reason"]) == (State.ABORTED, "ada aborted it: enough")
