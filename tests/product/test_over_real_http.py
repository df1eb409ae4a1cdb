"""The product's rounds over its real adapters and the real SDKs, against the simulated cloud."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import msgspec
import pytest
from azure.mgmt.web.models import ResolveStatus

from benchmarks.arm_calls import environment
from shared.artifact_hosts.workflow import read_packages
from shared.bootstrap import opened
from shared.errors import AppError, Denied
from shared.groups.model import ReferenceStatus
from shared.groups.workflow import discover
from shared.ports import Ports
from shared.reconcile import workflow as reconcile
from shared.settings import Settings
from shared.settings_sync.ask import Ask, Request
from shared.settings_sync.model import Rollout, State
from simulator.pair import COPIES_VAULT, a_pair, three_regions
from simulator.server import Cloud
from simulator.services.admin import set_faults
from simulator.world import PACKAGE, EndpointState, Site, World

KEY = "AppConfig:OCSP:CacheTimeOutSecondsIfDeviceExists"
LINUX_KEY = "AppConfig__OCSP__CacheTimeOutSecondsIfDeviceExists"
REFERRED = "AppConfig:JamfValidation:RequestPassword"
REFERENCE = "@Microsoft.KeyVault(VaultName=kv-scepman;SecretName=scepman-api-token)"
TIMES = {
    "COUNTERPART_SOAK": "0s",
    "COUNTERPART_PROBE_EVERY": "0s",
    "COUNTERPART_PROVE_EVERY": "0s",
    "COUNTERPART_VERIFY_DEADLINE": "2s",
}
CLAIM = 6.0  # seconds; former values are believed to be late so long, and a busy machine takes a while for a round
PACKAGES = {"COUNTERPART_PACKAGE_CHECK_EVERY": "0s"}


@dataclass
class Running:
    """A cloud with the product's ports in it."""

    cloud: Cloud
    ports: Ports
    settings: Settings

    @property
    def world(self) -> World:
        return self.cloud.world

    def site(self, short: str) -> Site:
        return self.world.sites[f"app-scepman-{short}"]

    def endpoint(self, short: str) -> EndpointState:
        return next(
            endpoint for endpoint in self.world.profiles["scepman"].endpoints if endpoint.name == short
        )

    def writes(self, short: str) -> int:
        return sum(
            happening.who == "counterpart"
            and happening.what in {"settings-put", "connections-put"}
            and happening.where.endswith(short)
            for happening in self.world.journal
        )

    async def round(self) -> Rollout:
        (profile,) = await discover(self.settings.scope, self.ports.profiles)
        done = await reconcile.run(profile, self.ports, self.settings, doorbell=True)
        assert done.rollout is not None
        return done.rollout

    async def until(self, *states: State) -> Rollout:
        """Rounds until the rollout rests in one of the states; errors of single rounds are passed over."""
        async with asyncio.timeout(30):
            while True:
                with contextlib.suppress(AppError):
                    rollout = await self.round()
                    if rollout.state in states and rollout.flight is None:
                        return rollout
                await asyncio.sleep(0.05)

    async def until_said(self, words: str) -> Rollout:
        """Rounds until the rollout's reason has these words."""
        async with asyncio.timeout(30):
            while True:
                with contextlib.suppress(AppError):
                    rollout = await self.round()
                    if words in rollout.reason:
                        return rollout
                await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def running(world: World, claim: float = 2.0, /, **more: str) -> AsyncIterator[Running]:
    world.speed, world.boot_seconds = 50.0, 0.05
    async with Cloud(world) as cloud:
        env = {**cloud.env(), **TIMES, **more}
        with environment(env):
            settings = Settings.from_env(env)
            quick = msgspec.structs.replace(settings.rules, claim=claim)
            settings = msgspec.structs.replace(settings, rules=quick)
            async with opened(settings) as ports:
                on = Running(cloud, ports, settings)
                await on.until(State.CONVERGED)
                yield on


async def test_windows_to_linux_and_back() -> None:
    """A key travels under the name that each platform needs, in both directions, and is deleted under it."""
    async with running(a_pair("linux")) as on:
        on.world.edit(on.site("weu"), {KEY: "300"})
        await on.until(State.CONVERGED)
        assert on.site("neu").app_settings[LINUX_KEY] == "300"
        assert KEY not in on.site("neu").app_settings
        on.world.edit(on.site("neu"), {LINUX_KEY: "240"})
        await on.until(State.CONVERGED)
        assert on.site("weu").app_settings[KEY] == "240"
        on.world.edit(on.site("neu"), {LINUX_KEY: None})
        await on.until(State.CONVERGED)
        assert KEY not in on.site("weu").app_settings
        assert (on.writes("neu"), on.writes("weu")) == (1, 2)


async def test_every_setting_of_a_region_wrong_and_back_again() -> None:
    """One edit sets them to `false`, the package too: one revert, and the region serves again by itself.

    But for the three keys of its identity, which no other region can give back.
    """
    async with running(a_pair(), **PACKAGES) as on:
        broken, other = on.site("weu"), on.site("neu")
        before = dict(broken.app_settings)
        for _ in range(6):
            await reconcile.watch_packages(on.ports, on.settings)
        on.world.edit(
            broken, dict.fromkeys((name for name in before if "ManagedIdentity" not in name), "false")
        )
        held = await on.until(State.HELD)
        assert held.plan is not None
        (profile,) = await discover(on.settings.scope, on.ports.profiles)
        names = tuple(change.key for change in held.plan.changes)
        asked = Request(ask=Ask.REVERT, fingerprint=held.plan.fingerprint, by="ada", reason="x", keys=names)
        await reconcile.settle(profile, asked, on.ports, on.settings)
        async with asyncio.timeout(30):
            while True:
                await reconcile.watch_packages(on.ports, on.settings)
                with contextlib.suppress(AppError):
                    rollout = await on.round()
                    served = (
                        on.world.monitor_status(on.world.profiles["scepman"], on.endpoint("weu")) == "Online"
                    )
                    if rollout.state is State.CONVERGED and served:
                        break
                await asyncio.sleep(0.05)
        assert broken.app_settings[PACKAGE] in {before[PACKAGE], other.app_settings[PACKAGE]}
        assert on.writes("neu") == 0


async def test_null_is_left_null() -> None:
    """What is not ours to change is written back as it was read; a null travels as the null that it is."""
    odd = {"Null": None, "Truth": True, "Number": 12, "Empty": ""}
    async with running(a_pair()) as on:
        first, second = on.site("weu"), on.site("neu")
        for site in (first, second):
            on.world.put_app_settings(site, {**site.app_settings, **odd}, "a template")
        await on.until(State.CONVERGED)
        on.world.edit(first, {KEY: "300"})
        await on.until(State.CONVERGED)
        assert second.app_settings == {**second.app_settings, **odd, KEY: "300"}
        on.world.put_app_settings(first, {**first.app_settings, "Empty": None}, "a template")
        await on.until(State.CONVERGED)
        assert second.app_settings["Empty"] is None
        assert on.writes("neu") == 2


async def test_three_regions_one_after_another() -> None:
    """Each peer gets one write; the second one only after the first has proved itself."""
    async with running(three_regions()) as on:
        on.world.edit(on.site("neu"), {KEY: "300"})
        await on.until(State.CONVERGED)
        assert on.site("weu").app_settings[KEY] == on.site("swc").app_settings[LINUX_KEY] == "300"
        assert (on.writes("weu"), on.writes("swc"), on.writes("neu")) == (1, 1, 0)


async def test_connection_strings_travel_without_an_event() -> None:
    """A connection string is kept in step like an app setting, value and type."""
    async with running(a_pair()) as on:
        first, second = on.site("weu"), on.site("neu")
        changed = {**first.connection_strings, "Reporting": ("Server=new;Password=S3CRET-new", "Custom")}
        on.world.put_connection_strings(first, changed, "a person")
        await on.until(State.CONVERGED)
        assert second.connection_strings == changed
        assert on.writes("neu") == 1


@pytest.mark.parametrize(("status", "after"), [(503, True), (503, False), (500, True), (429, False)])
async def test_a_put_that_fails_is_looked_into(status: int, after: bool) -> None:  # noqa: FBT001 -- a parameter
    """Whether or not a failed PUT took effect, the peer ends with the change, by one effective write."""
    async with running(a_pair()) as on:
        left = [1]

        def once(method: str, path: str) -> int | None:
            if method == "PUT" and left[0]:
                left[0] -= 1
                return status
            return None

        on.world.arm.rules.append(once)
        on.world.arm.after_effect = after
        on.world.edit(on.site("weu"), {KEY: "300"})
        await on.until(State.CONVERGED)
        assert on.site("neu").app_settings[KEY] == "300"
        assert left == [0]
        assert on.writes("neu") == 1
        assert not on.world.vaults[COPIES_VAULT].secrets


def all_stale(on: Running, readings: int) -> None:
    """Every region's settings are read as they were for so many readings after each PUT."""
    set_faults(on.cloud, {"sites": {name: {"stale_reads": readings} for name in on.world.sites}})


async def travelled(on: Running, value: str) -> Rollout:
    """Rounds until the peer has the value and the group has rested for a while."""
    async with asyncio.timeout(30):
        while on.site("neu").app_settings.get(KEY) != value:
            await on.until(State.CONVERGED, State.HELD, State.CONTAINED)
        for _ in range(10):
            rollout = await on.until(State.CONVERGED, State.HELD, State.CONTAINED)
    return rollout


@pytest.mark.parametrize("readings", [1, 3])
async def test_settings_that_are_read_stale_after_a_put(readings: int) -> None:
    """One write of each section: it is not undone, not made again, and no person is thought to have been there."""
    async with running(a_pair(), CLAIM) as on:
        all_stale(on, readings)
        first, second = on.site("weu"), on.site("neu")
        for travels, value in enumerate(("300", "240"), 1):
            strings = {
                **first.connection_strings,
                "Reporting": (f"Server={value};Password=S3CRET-new", "Custom"),
            }
            on.world.put_connection_strings(first, strings, "a person")
            on.world.edit(first, {KEY: value})
            rollout = await travelled(on, value)
            assert (rollout.state, rollout.flight) == (State.CONVERGED, None)
            assert second.connection_strings == first.connection_strings == strings
            assert (on.writes("neu"), on.writes("weu")) == (2 * travels, 0)
        assert not [
            happening.text
            for happening in rollout.history
            if "somebody" in happening.text or "did not come" in happening.text
        ]
        assert (rollout.written, rollout.undone) == ((), ())
        assert not on.world.vaults[COPIES_VAULT].secrets


async def test_a_lost_answer_and_settings_that_are_read_stale() -> None:
    """That the peer still shows its former values does not prove that nothing was written."""
    async with running(a_pair(), CLAIM) as on:
        all_stale(on, 2)
        left = [1]

        def once(method: str, path: str) -> int | None:
            if method == "PUT" and left[0]:
                left[0] -= 1
                return 503
            return None

        on.world.arm.rules.append(once)
        on.world.arm.after_effect = True
        on.world.edit(on.site("weu"), {KEY: "300"})
        rollout = await travelled(on, "300")
        assert (rollout.state, left) == (State.CONVERGED, [0])
        assert (on.writes("neu"), on.writes("weu")) == (1, 0)


async def test_a_write_that_is_undone_while_settings_are_read_stale() -> None:
    """The old values are put back once, and the change is held."""
    async with running(a_pair(), CLAIM) as on:
        all_stale(on, 3)
        second = on.site("neu")
        on.world.vaults["kv-scepman"].refused_sites.add(second.name)
        before = dict(second.app_settings)
        on.world.edit(on.site("weu"), {REFERRED: REFERENCE})
        rollout = await on.until(State.HELD)
        assert second.app_settings == before
        assert rollout.plan is not None
        assert "undone" in {refusal.rule for refusal in rollout.plan.refusals}
        for _ in range(10):
            rollout = await on.until(State.HELD)
        assert (on.writes("neu"), on.writes("weu")) == (2, 0)


async def test_three_regions_whose_settings_are_read_stale() -> None:
    """What is verified in one region and on its way to the next is nobody's own change."""
    async with running(three_regions(), CLAIM) as on:
        all_stale(on, 3)
        on.world.edit(on.site("weu"), {KEY: "300"})
        rollout = await travelled(on, "300")
        assert rollout.state is State.CONVERGED
        assert on.site("swc").app_settings[LINUX_KEY] == "300"
        assert (on.writes("weu"), on.writes("neu"), on.writes("swc")) == (0, 1, 1)


async def test_a_rotation_while_settings_are_read_stale() -> None:
    """A region whose package host is dead is moved by one write, which stays, and the other one is left alone."""
    async with running(a_pair(), CLAIM, **PACKAGES) as on:
        all_stale(on, 3)
        second, others = on.site("neu"), dict(on.site("neu").app_settings)
        for _ in range(6):
            await reconcile.watch_packages(on.ports, on.settings)
        before = others.pop(PACKAGE)
        on.world.artifact_hosts[urlsplit(before).hostname or ""].faults.down = True
        (profile,) = await discover(on.settings.scope, on.ports.profiles)
        async with asyncio.timeout(30):
            while True:
                await reconcile.watch_packages(on.ports, on.settings)
                with contextlib.suppress(AppError):
                    await on.round()
                packages = await read_packages(on.ports.store, profile.id)
                assert packages is not None
                if second.app_settings[PACKAGE] != before and packages.flight is None:
                    break
                await asyncio.sleep(0.05)
        moved = second.app_settings[PACKAGE]
        for _ in range(10):
            await on.round()
        assert second.app_settings == {**others, PACKAGE: moved}
        assert (on.writes("neu"), on.writes("weu")) == (1, 0)
        assert not [happening.text for happening in packages.history if "somebody" in happening.text]


async def test_deleting_a_copy_takes_longer_than_the_next_write() -> None:
    """Each write has a copy of its own name, so none waits for the vault, and none is left there."""
    async with running(a_pair()) as on:
        set_faults(on.cloud, {"vaults": {COPIES_VAULT: {"lag": 3600.0 * on.world.speed}}})
        vault = on.world.vaults[COPIES_VAULT]
        for wanted, value in enumerate(("300", "240", "180"), 1):
            on.world.edit(on.site("weu"), {KEY: value})
            await on.until(State.CONVERGED)
            assert on.site("neu").app_settings[KEY] == value
            assert (on.writes("neu"), len(vault.deleted), vault.secrets) == (wanted, wanted, {})


async def test_a_reference_that_the_peer_cannot_read_is_undone() -> None:
    """A copied Key Vault reference works only with the peer's own access: else the old value comes back."""
    async with running(a_pair()) as on:
        first, second = on.site("weu"), on.site("neu")
        on.world.vaults["kv-scepman"].refused_sites.add(second.name)
        before = dict(second.app_settings)
        on.world.edit(first, {REFERRED: REFERENCE})
        rollout = await on.until(State.HELD)
        assert second.app_settings == before
        assert rollout.plan is not None
        assert "undone" in {refusal.rule for refusal in rollout.plan.refusals}


async def how_fared(on: Running, short: str) -> ReferenceStatus:
    """Return what the product reads of the reference in a region."""
    found = await on.ports.settings_reads.list_references(on.site(short).id)
    (one,) = [reference_status for reference_status in found if reference_status.name == REFERRED]
    return one


@pytest.mark.parametrize("status", ResolveStatus)
async def test_every_status_of_a_reference_is_told_and_read(status: ResolveStatus) -> None:
    """A peer is verified when its reference resolves, and else the reason says what App Service says."""
    async with running(a_pair()) as on:
        set_faults(on.cloud, {"sites": {on.site("neu").name: {"reference_status": status.value}}})
        on.world.edit(on.site("weu"), {REFERRED: REFERENCE})
        if status is ResolveStatus.RESOLVED:
            await on.until(State.CONVERGED)
        else:
            waits = await on.until_said(f"Key Vault references are not resolved: {REFERRED} (")
            assert waits.state is State.VERIFYING
        fared = await how_fared(on, "neu")
        known = {ResolveStatus.RESOLVED: True, ResolveStatus.INITIALIZED: None}
        assert (fared.status, fared.resolved) == (status, known.get(status, False))
        assert fared.resolved or f"({fared.words})" in waits.reason


async def test_the_vaults_answer_no_app() -> None:
    """Every reference of every region has timed out, and Resource Manager says so."""
    async with running(a_pair()) as on:
        on.world.shared.key_vault = True
        on.world.edit(on.site("weu"), {REFERRED: REFERENCE})
        fared = await how_fared(on, "weu")
        assert (fared.status, fared.resolved) == ("FetchTimedOut", False)


async def test_a_missing_right_is_named() -> None:
    """Without the right to list settings nothing is written, and the error names the action."""
    async with running(a_pair()) as on:
        on.cloud.roles["counterpart"] -= {"Microsoft.Web/sites/config/list/Action"}
        with pytest.raises(Denied, match=r"sites/config/list/[Aa]ction"):
            await on.round()
