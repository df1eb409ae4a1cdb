"""Every row of the classification, provoked in the simulated cloud and seen through the real adapters.

The cloud's own prober says what Traffic Manager sees, its Azure Monitor calls the route for alerts, and its Teams
workflow, webhook and topic take what is told.
"""

import asyncio
import contextlib
import dataclasses
import logging
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from cli.reference import ROOT
from shared import absence, outbox
from shared.cards import LARGEST
from shared.errors import Unavailable
from shared.groups.classify import AUTHORITY, TABLE
from shared.groups.model import Cause
from shared.incidents.explain import OTHERS
from shared.incidents.hold import SHARES
from shared.incidents.model import (
    EXHAUSTED,
    HELD,
    PACKAGE_SETTING,
    UNREAD,
    UNTRUSTED,
    Incident,
    Severity,
    Stage,
    Topic,
)
from shared.incidents.workflow import LEDGERS
from shared.store import Key, Row, Stored, Version
from simulator.pair import many
from simulator.services import dns as dns_service
from simulator.world import PACKAGE, World
from tests.product.watch import NEU, WEU, Watch, alerted, rows, watching


def region_lost(world: World) -> None:
    world.sites[WEU].faults.down = True


def scep_alone_fails(world: World) -> None:
    world.sites[WEU].faults.scep_status = 500


def all_answer_503(world: World) -> None:
    for site in world.sites.values():
        site.faults.status = 503


def vault_gone(world: World) -> None:
    world.shared.key_vault = True


def storage_gone(world: World) -> None:
    world.shared.storage = True


def identity_gone(world: World) -> None:
    world.shared.identity = True


def package_gone(world: World) -> None:
    site = world.sites[WEU]
    host = next(
        artifact_host
        for artifact_host in world.artifact_hosts.values()
        if artifact_host.name in site.app_settings[PACKAGE]
    )
    host.faults.down = True
    world.platform_restart(site)


def path_gone(world: World) -> None:
    world.sites[WEU].faults.path_gone = True


def wrong_path(world: World) -> None:
    for profile in world.profiles.values():
        profile.path = "/no-such-path"


def probe_redirected(world: World) -> None:
    world.sites[WEU].faults.status = 302


def app_stopped(world: World) -> None:
    world.stop_site(world.sites[WEU], "somebody")


def plan_too_small(world: World) -> None:
    world.sites[WEU].tier = "Basic"


def certificate_over(world: World) -> None:
    world.sites[WEU].faults.tls = "expired"


def certificate_of_another(world: World) -> None:
    world.sites[WEU].faults.tls = "other-name"


def no_handshake(world: World) -> None:
    world.sites[WEU].faults.tls = "broken"


def no_address(world: World) -> None:
    world.sites[WEU].faults.unresolved = True


def only_we_are_blind(world: World) -> None:
    """Every app is gone for us, and Traffic Manager reaches them all."""
    for site in world.sites.values():
        site.faults.hidden = True


# What is done, what it is found to be, and a piece of the evidence.
PROVOKED: tuple[tuple[Callable[[World], None], Cause, str], ...] = (
    (region_lost, Cause.ONE_REGION, "weu: at "),
    (all_answer_503, Cause.SHARED, "the probe answered 503; SCEP fails"),
    (vault_gone, Cause.SHARED, "SCEP fails: GetCACert answered 500"),
    (identity_gone, Cause.SHARED, "SCEP fails: GetCACert answered 500"),
    (storage_gone, Cause.SHARED, "the probe answered 503; SCEP proves CA"),
    (package_gone, Cause.ARTIFACT_HOST, "with App Service's page for a missing package"),
    (path_gone, Cause.PROBE_PATH, "the probe answered 404; SCEP proves CA"),
    (wrong_path, Cause.PROBE_PATH, "the probe answered 404; SCEP proves CA"),
    (app_stopped, Cause.STOPPED, "the web app is stopped"),
    (plan_too_small, Cause.STOPPED, "a plan of tier Basic"),
    (certificate_over, Cause.TLS_OR_NAME, "certificate has expired"),
    (certificate_of_another, Cause.TLS_OR_NAME, "its certificate is not valid"),
    (no_handshake, Cause.TLS_OR_NAME, "the handshake failed"),
    (no_address, Cause.TLS_OR_NAME, "the host name does not resolve"),
    (only_we_are_blind, Cause.UNKNOWN, "Traffic Manager says Online"),
)


@pytest.mark.parametrize(
    ("befall", "cause", "evidence"), PROVOKED, ids=[pair[0].__name__ for pair in PROVOKED]
)
async def test_provoked(
    befall: Callable[[World], None], cause: Cause, evidence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is done to the cloud shows as the incident's cause, with evidence."""
    monkeypatch.setattr(dns_service, "HOST_TTL", 0)  # what is gone from DNS is gone at once
    async with watching() as here:
        befall(here.world)
        found = await here.until(
            lambda them: any(
                incident.cause == cause and incident.confirmed and evidence in " ".join(incident.evidence)
                for incident in them
            )
        )
        about = {
            incident.region
            for incident in found
            if incident.cause == cause and incident.topic is Topic.SERVICE
        }
        assert "weu" in about
        assert ("neu" in about) == (cause in {Cause.SHARED, Cause.UNKNOWN} or befall is wrong_path)


def test_every_row_is_provoked() -> None:
    """The classification has no row that nobody tried."""
    assert {explained.cause for explained in TABLE} == {cause for _, cause, _ in PROVOKED} | {
        Cause.SETTINGS_CHANGE
    }
    assert (AUTHORITY.cause, set(OTHERS)) == (
        Cause.AUTHORITY,
        {HELD, UNREAD, PACKAGE_SETTING, EXHAUSTED, UNTRUSTED},
    )  # the tests below


async def test_a_region_that_is_too_slow() -> None:
    """It answers us, later than Traffic Manager waits: both see it fail."""
    async with watching(
        COUNTERPART_PROBE_EVERY="3s", COUNTERPART_PROVE_EVERY="60s", COUNTERPART_VERIFY_DEADLINE="9s"
    ) as here:
        here.profile.timeout = 1.0
        here.site(WEU).faults.slow = 1.6
        async with asyncio.timeout(10):
            while here.endpoint("weu").observed != "Degraded":  # noqa: ASYNC110 -- plain state, it tells nobody
                await asyncio.sleep(0.05)
        (found,) = await here.until(
            lambda them: any(incident.confirmed and incident.cause == Cause.ONE_REGION for incident in them)
        )
        assert any("the probe answered 200 after 1." in name for name in found.evidence)


async def test_an_endpoint_that_is_always_served() -> None:
    """Traffic Manager does not probe it and goes on answering it: the incident says so, and what to do."""
    async with watching() as here:
        here.endpoint("weu").always_serve = True
        here.site(WEU).faults.down = True
        (found,) = await here.until(
            lambda them: any(incident.confirmed and incident.region == "weu" for incident in them)
        )
        assert found.stays.startswith("traffic will not move: weu is always served (alwaysServe)")
        assert "disable the endpoint weu" in found.stays
        assert "led to neu" in found.stays
        assert found.mitigated is None


async def test_access_restrictions_keep_traffic_manager_out() -> None:
    """Our probe is answered as the profile says, Traffic Manager's is not: the probe path, with what to look at."""
    async with watching() as here:
        here.profile.interval = here.profile.timeout = 1.0
        here.site(WEU).faults.monitor_refused = True
        (found,) = await here.until(
            lambda them: any(incident.confirmed and incident.cause == Cause.PROBE_PATH for incident in them)
        )
        assert any("service tag AzureTrafficManager" in name for name in found.evidence)


async def test_a_status_that_the_profile_expects() -> None:
    """Good is what the profile says, and 200 is not where it says otherwise: for Traffic Manager and for us."""
    async with watching() as here:
        here.profile.expected = ((404, 404),)
        path_gone(here.world)  # weu answers as the profile wants, neu does not
        (found,) = await here.until(
            lambda them: any(
                incident.confirmed and incident.cause == Cause.PROBE_PATH and incident.region == "neu"
                for incident in them
            )
        )
        assert any("the probe answered 200 (the profile expects 404)" in name for name in found.evidence)


async def test_different_authorities() -> None:
    """A region that shows a CA of its own: the group's incident, of severity 3."""
    async with watching() as here:
        here.site(NEU).faults.other_ca = True
        (found,) = await here.until(bool)
        assert (found.topic, found.cause) == (Topic.AUTHORITY, Cause.AUTHORITY)
        assert found.severity is Severity.MINOR
        assert any("two CAs of one name" in name for name in found.evidence)


async def test_a_held_settings_change() -> None:
    """One key changed differently in both regions: an incident of severity 3 whose card asks for a decision."""
    async with watching(COUNTERPART_SWEEP="0s", COUNTERPART_BASE_URL="https://func.test") as here:
        for name, text in ((WEU, "120"), (NEU, "240")):
            here.world.edit(here.site(name), {"AppConfig:OCSP:Note": text})
        (found,) = await here.until(
            lambda them: [incident for incident in them if incident.topic is Topic.SETTINGS]
        )
        assert (found.cause, found.severity, found.region) == (HELD, Severity.MINOR, "")
        assert any(name.endswith("1 key (AppConfig:OCSP:Note)") for name in found.evidence)
        await here.until(lambda _: here.titles)
        assert here.titles == ["scepman: a settings change waits for your decision"]
        (card,) = here.world.receivers["teams"].got
        links = [item["url"] for item in card.body["attachments"][0]["content"]["actions"]]
        assert links[0].startswith("https://func.test/api/decisions/scepman-")
        assert links[1] == f"https://func.test/api/incidents/{found.id}"


async def test_a_site_that_azure_does_not_find(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resource Manager answers 404 for it again and again: its settings are not compared, and people are told."""
    monkeypatch.setattr(absence, "OVER", timedelta(seconds=1))
    async with watching(COUNTERPART_SWEEP="0s") as here:
        here.world.arm.rules.append(lambda _, path: 404 if f"/sites/{WEU}/" in path else None)
        found = await here.until(lambda them: any(incident.cause == UNREAD for incident in them))
        assert {incident.topic for incident in found if incident.cause == UNREAD} == {Topic.SETTINGS}


async def test_a_package_setting_that_leads_to_no_package() -> None:
    """Somebody empties it: the region is down for want of a package, and the incident names the setting."""
    async with watching(COUNTERPART_SWEEP="0s", COUNTERPART_PACKAGE_CHECK_EVERY="100ms") as here:
        here.world.edit(here.site(WEU), {PACKAGE: "false"})
        found = await here.until(lambda them: any(incident.cause == PACKAGE_SETTING for incident in them))
        assert {
            (incident.topic, incident.region) for incident in found if incident.cause == PACKAGE_SETTING
        } == {(Topic.HOSTS, "weu")}


async def test_a_settings_change_that_breaks_its_region() -> None:
    """One incident, whose cause it is and which names the key and no value; nothing of it travels."""
    async with watching(
        COUNTERPART_SWEEP="0s", COUNTERPART_SOAK="60s", COUNTERPART_VERIFY_DEADLINE="90s"
    ) as here:
        here.world.edit(here.site(WEU), {"AppConfig:OCSP:Note": "s3cret-note"})
        await here.look()
        region_lost(here.world)
        found = await here.until(
            lambda them: any(incident.cause == Cause.SETTINGS_CHANGE for incident in them)
        )
        (one,) = [incident for incident in found if incident.open]
        assert (one.topic, one.region) == (Topic.SERVICE, "weu")
        assert any(
            "settings were changed" in name and name.endswith("UTC: AppConfig:OCSP:Note")
            for name in one.evidence
        )
        assert "s3cret-note" not in rows(here)
        assert "AppConfig:OCSP:Note" not in here.site(NEU).app_settings


async def test_no_package_host_is_left() -> None:
    """Every host of the package is down: a region that runs would not come back; severity 3 until one is up."""
    async with watching(COUNTERPART_PACKAGE_CHECK_EVERY="100ms") as here:
        hosts = here.world.artifact_hosts.values()
        for host in hosts:
            host.faults.down = True
        found = await here.until(
            lambda them: len([incident for incident in them if incident.cause == EXHAUSTED]) == 2
        )
        assert {(incident.cause, incident.severity, incident.region) for incident in found} == {
            (EXHAUSTED, Severity.MINOR, "weu"),
            (EXHAUSTED, Severity.MINOR, "neu"),
        }
        for host in hosts:
            host.faults.down = False
        await here.until(lambda them: not any(incident.open for incident in them))


async def test_no_package_host_is_known_to_be_well() -> None:
    """In the beginning one fails and the other answers, too short a time to be relied on: nobody says it is gone."""
    # Three checks make a host down and six make it up: what lies between them is longer than rows are recalled.
    async with watching(COUNTERPART_PACKAGE_CHECK_EVERY="2500ms") as here:
        next(iter(here.world.artifact_hosts.values())).faults.down = True
        (found,) = await here.until(
            lambda them: [incident for incident in them if incident.topic is Topic.HOSTS]
        )
        assert found.cause == UNTRUSTED
        assert "if every check is good" in " ".join(found.evidence)


async def test_scep_alone_fails() -> None:
    """Traffic Manager sees nothing, and goes on sending devices there."""
    async with watching() as here:
        scep_alone_fails(here.world)
        (found,) = await here.until(lambda them: any(incident.confirmed for incident in them))
        assert (found.cause, found.mitigated) == (Cause.ONE_REGION, None)
        assert all(endpoint.observed == "Online" for endpoint in here.profile.endpoints)


async def test_a_region_that_flaps_is_one_incident() -> None:
    """Lost and found again and again: one incident that says how often, and one card."""
    async with watching(COUNTERPART_FLAP_WINDOW="60s") as here:
        here.site(WEU).faults.flapping = 0.4
        (found,) = await here.until(lambda them: any(incident.flaps > 1 for incident in them))
        assert found.region == "weu"
        assert here.kinds.count("incident.opened") <= 1


# -- told -------------------------------------------------------------------------------------------------------


async def test_a_region_dies() -> None:
    """Confirmed, seen to leave DNS, told on every channel, well again, resolved and told."""
    async with watching() as here:
        region_lost(here.world)
        (found,) = await here.until(lambda them: any(incident.mitigated for incident in them))
        assert found.region == "weu"
        assert any("app-scepman-neu" in entry.text for entry in found.timeline if entry.who == "DNS")
        here.site(WEU).faults.down = False
        await here.until(lambda them: not any(incident.open for incident in them))
        await here.until(lambda _: len(here.titles) >= 3)
        assert here.titles == [
            "scepman / weu: fails",
            "scepman / weu: devices are led to the other regions",
            "scepman / weu: resolved",
        ]
        assert here.kinds == ["incident.opened", "incident.mitigated", "incident.resolved"]
        assert here.events == [
            "Counterpart.Incident.Opened",
            "Counterpart.Incident.Mitigated",
            "Counterpart.Incident.Resolved",
        ]
        got = here.world.receivers
        assert [received.key for received in got["webhook"].got] == [
            received.key for received in got["event-grid"].got
        ]
        assert all(len(msgspec.json.encode(received.body)) < LARGEST for received in got["teams"].got)


async def test_a_channel_that_takes_nothing() -> None:
    """It is tried again and seen to be; the others are told; and its address is in no row and no line."""
    async with watching() as here:
        teams = here.world.receivers["teams"]
        teams.faults.status = 503
        with kept_log() as log:
            region_lost(here.world)
            await here.until(lambda _: "incident.mitigated" in here.kinds)
        assert here.titles == []
        listed = await shell(here, "incidents", "list")
        assert "not delivered to teams (tried once)" in listed
        assert "HTTP 503" in listed
        texts = (rows(here), log.text(), listed, await shell(here, "incidents", "list", "--json"))
        for text in texts:
            assert not [receiver for receiver in here.world.receivers.values() if receiver.secret in text]
        assert "was not taken by teams" in log.text()


class Lines(logging.Handler):
    """Keeps every line, of every library too."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))

    def text(self) -> str:
        return "\n".join(self.lines)


@contextlib.contextmanager
def kept_log() -> Iterator[Lines]:
    """All that is logged, at the most talkative level."""
    root, lines = logging.getLogger(), Lines()
    before = root.level
    root.addHandler(lines)
    root.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        root.setLevel(before)
        root.removeHandler(lines)


async def shell(here: Watch, *arguments: str) -> str:
    """Return what a command prints, beside the same store."""
    env = here.cloud.env() | here.cloud.operator_env()
    without = {name: item for name, item in env.items() if not name.startswith("IDENTITY_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli.main", *arguments),
        cwd=ROOT,
        env=without,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return output.decode()


async def test_many_at_once_become_a_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three groups lose both regions: one card that names them, and every one of them for programs."""
    monkeypatch.setattr(outbox, "BURST", 3)
    async with watching(many(3)) as here:
        all_answer_503(here.world)
        await here.until(lambda _: here.kinds.count("incident.opened") == 2 * 3)
        assert len(here.titles) <= 3
        assert any("more messages" in title for title in here.titles)


# -- Azure Monitor ----------------------------------------------------------------------------------------------


async def test_an_alert_joins_what_is_seen() -> None:
    """Fired and resolved by the real rule over HTTP; one incident with both in its timeline."""
    async with watching(COUNTERPART_FLAP_WINDOW="60s") as here, alerted(here):
        region_lost(here.world)
        await here.until(lambda them: _alerts(them, "fired"))
        here.site(WEU).faults.down = False
        (found,) = await here.until(lambda them: _alerts(them, "resolved"))
        assert found.stage is Stage.RESOLVED
        await here.until(lambda _: here.world.count("alert-delivered", "scepman") == 2)
        assert not [
            happening
            for happening in here.world.journal
            if happening.what in {"alert-failed", "alert-dropped"}
        ]


def _alerts(them: tuple[Incident, ...], word: str) -> list[str]:
    return [
        entry.text
        for one in them
        for entry in one.timeline
        if entry.who == "Azure Monitor" and word in entry.text
    ]


class Stumbling:
    """A store in which incidents cannot be reached for so many turns."""

    def __init__(self, inner: Any, turns: int) -> None:
        self._inner = inner
        self.left = turns

    async def get(self, key: Key) -> Stored | None:
        if self.left and key.startswith(LEDGERS):
            self.left -= 1
            raise Unavailable("the store does not answer")
        found: Stored | None = await self._inner.get(key)
        return found

    async def put(self, row: Row, *, if_version: Version | None) -> Version:
        version: Version = await self._inner.put(row, if_version=if_version)
        return version

    async def delete(self, key: Key, *, if_version: Version) -> None:
        await self._inner.delete(key, if_version=if_version)

    def list(self, prefix: str) -> AsyncIterator[Stored]:
        found: AsyncIterator[Stored] = self._inner.list(prefix)
        return found


async def test_an_alert_that_is_not_safe_comes_again() -> None:
    """503 while the store cannot be reached; the action group calls again, and then it is taken."""
    async with watching() as here:
        store = Stumbling(here.ports.store, turns=2)
        async with alerted(here, dataclasses.replace(here.ports, store=store)):
            here.site(WEU).faults.monitor_refused = True  # Traffic Manager alone sees it fail
            await here.until(lambda them: _alerts(them, "fired"))
            said = [happening.detail for happening in here.world.journal if happening.what == "alert-failed"]
            assert said == ["weu Fired 503", "weu Fired 503"]


# -- the failback hold ------------------------------------------------------------------------------------------


async def test_held_out_of_dns_and_given_back() -> None:
    """With the hold: the endpoint is disabled, and enabled when the region has proved itself."""
    async with watching(COUNTERPART_FAILBACK_HOLD="on") as here:
        endpoint = here.endpoint("weu")
        here.site(WEU).faults.status = 503
        await here.until(lambda _: not endpoint.enabled)
        here.site(WEU).faults.status = None
        await here.until(lambda _: endpoint.enabled)
        assert "microsoft.network/trafficmanagerprofiles/azureendpoints/write" in {
            used_action.lower() for used_action in here.cloud.used_actions
        }
        (found,) = await here.until(lambda them: not any(incident.open for incident in them))
        assert found.stage is Stage.RESOLVED


async def test_back_by_steps_of_its_weight() -> None:
    """Weighted routing: a tenth, a quarter, a half, all of it; each step while it is sound."""
    async with watching(COUNTERPART_FAILBACK_HOLD="on") as here:
        here.settings = msgspec.structs.replace(
            here.settings, hold=msgspec.structs.replace(here.settings.hold, step=0.1)
        )
        here.profile.routing = "Weighted"
        endpoint = here.endpoint("weu")
        endpoint.weight = 200
        region_lost(here.world)
        await here.until(lambda _: not endpoint.enabled)
        assert endpoint.weight == 200
        here.site(WEU).faults.down = False
        await here.until(lambda _: endpoint.enabled and endpoint.weight == 200)
        sent = [happening.detail for happening in here.world.journal if happening.what == "endpoint-patch"]
        assert sent == [
            "endpointStatus=Disabled",
            *(f"endpointStatus=Enabled weight={round(200 * share)}" for share in SHARES),
        ]


async def test_never_the_last_one() -> None:
    """Law 1 on the wire: with the other endpoint out, or failing too, no endpoint is ever disabled."""
    async with watching(COUNTERPART_FAILBACK_HOLD="on") as here:
        here.endpoint("neu").enabled = False
        region_lost(here.world)
        await here.until(lambda them: any(incident.confirmed for incident in them))
        for _ in range(3):
            await here.look()
        here.endpoint("neu").enabled = True
        here.site(NEU).faults.down = True
        await here.until(lambda _: here.endpoint("neu").observed == "Degraded")
        for _ in range(3):
            await here.look()
        assert here.world.count("endpoint-patch", "scepman/weu") == 0
        assert here.endpoint("weu").enabled
