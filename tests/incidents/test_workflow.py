"""Incidents in a small world: seen by the timer and by alerts, told once, archived, acknowledged."""

import logging
from contextlib import suppress
from datetime import timedelta

import msgspec
import pytest

from shared.artifact_hosts import workflow as artifact_hosts
from shared.artifact_hosts.model import Finding, Flight, Glance, HostState, Packages, Phase, Work
from shared.artifact_hosts.model import State as PackagesState
from shared.artifact_hosts.workflow import Tended, packages_key, watch_key
from shared.disruption.model import Kind as PermitKind
from shared.disruption.workflow import request
from shared.errors import Conflict, Effect, IllegalTransition, NotFound, Unavailable
from shared.groups.discover import row_name
from shared.groups.model import Cause, MonitorStatus, ProbeResult
from shared.groups.soak import Start
from shared.incidents.model import EXHAUSTED, HELD, UNTRUSTED, Archived, Ledger, Severity, Stage, Topic
from shared.incidents.workflow import find, forget
from shared.outbox import letter_key, waiting
from shared.reconcile import incidents
from shared.reconcile.incidents import Ask
from shared.settings_sync.ask import Ask as SettingsAsk
from shared.store import Key, Row, read, write
from tests.artifact_hosts.hosting import a_watch
from tests.builders import a_disruption, a_group, a_health, host, site_id
from tests.fakes.clock import START
from tests.fakes.store import FakeStore
from tests.incidents.watching import Watched, an_alert
from tests.rounds import SECRET, Effects, Killed, leaks, val

VAULT = "AppConfig:KeyVaultConfig:KeyVaultURL"  # an identity key


def rows(world: Watched, *prefixes: str) -> list[str]:
    assert isinstance(world.store, FakeStore)
    return [key for key in world.store.rows if key.startswith(prefixes)]


async def test_a_region_dies_and_comes_back(caplog: pytest.LogCaptureFixture) -> None:
    """Seen, classified, told, seen to leave DNS, resolved by itself, measured; and logged, whoever is told."""
    caplog.set_level(logging.INFO)
    world = Watched()
    await world.minute(2)
    world.sick("west")
    await world.minute(3)
    incident = await world.incident()
    assert (incident.region, incident.cause, incident.severity) == ("west", Cause.ONE_REGION, Severity.MAJOR)
    assert incident.stage is Stage.MITIGATED
    assert any("the probe answered 503" in name for name in incident.evidence)
    assert any("app-east" in entry.text for entry in incident.timeline if entry.who == "DNS")
    assert world.teams.kinds == ["incident.opened", "incident.mitigated"]
    world.well("west")
    await world.minute(11)
    incident = await world.incident()
    assert incident.stage is Stage.RESOLVED
    assert incident.resolved == START + timedelta(minutes=6)
    assert world.teams.kinds == ["incident.opened", "incident.mitigated", "incident.resolved"]
    assert incident.id in world.teams.letters[0].card.facts[-1]
    said = [record.getMessage() for record in caplog.records if record.getMessage().startswith("incident ")]
    assert said == [f"incident {incident.id}: {title}" for title in world.teams.titles]


async def test_quiet_stays_quiet() -> None:
    """A group that is well makes no facts, no rows of incidents, no cards, and asks DNS nothing."""
    world = Watched()
    await world.minute(22)
    assert rows(world, "incident", "outbox", "failback") == []
    assert world.teams.letters == []
    assert world.names.asked == []


async def test_one_failed_look_is_recorded_and_not_told() -> None:
    """Our own probe fails once, Traffic Manager sees nothing: an incident of a minute that disturbs nobody."""
    world = Watched()
    await world.minute(2)
    world.sick("west", seen=False)
    await world.minute()
    world.well("west")
    await world.minute(15)
    incident = await world.incident()
    assert (incident.stage, incident.confirmed, incident.severity) == (Stage.RESOLVED, None, Severity.MINOR)
    assert world.teams.letters == []


async def test_all_regions_fail_alike() -> None:
    """A shared dependency: severity 1, an incident for each region, and both cards name the other."""
    world = Watched().with_hold()
    await world.minute(2)
    world.sick("west")
    world.sick("east")
    await world.minute(3)
    found = await world.incidents()
    assert {(incident.region, incident.cause, incident.severity) for incident in found} == {
        ("west", Cause.SHARED, Severity.CRITICAL),
        ("east", Cause.SHARED, Severity.CRITICAL),
    }
    assert all(
        incident.mitigated is None for incident in found
    )  # DNS answers them all: there is nowhere to go
    assert world.teams.kinds == ["incident.opened", "incident.opened"]
    assert any("In trouble too: east" in line for letter in world.teams.letters for line in letter.card.lines)
    assert world.profiles.patches == []  # moving traffic would be pointless


async def test_one_region_becomes_all_of_them() -> None:
    """West fails, then east too: west's incident escalates, and says so once."""
    world = Watched()
    await world.minute(2)
    world.sick("west")
    await world.minute(2)
    world.sick("east")
    await world.minute(3)
    assert sorted(world.teams.kinds) == [
        "incident.escalated-to-1",
        "incident.mitigated",
        "incident.opened",
        "incident.opened",
    ]


async def test_only_we_are_blind() -> None:
    """Our own network fails: no region answers us while Traffic Manager sees them all. Nobody is alarmed."""
    world = Watched()
    await world.minute(2)
    world.mute("west")
    world.mute("east")
    await world.minute(4)
    found = await world.incidents()
    assert {(incident.cause, incident.severity) for incident in found} == {(Cause.UNKNOWN, Severity.MINOR)}


async def test_scep_fails_behind_a_good_probe() -> None:
    """Traffic Manager goes on sending devices there, so the incident is confirmed by our own look alone."""
    world = Watched()
    await world.minute(2)
    world.probes.scep[host("west")] = world.no_proof()
    await world.minute(8)
    incident = await world.incident()
    assert (incident.cause, incident.stage) == (Cause.ONE_REGION, Stage.CONFIRMED)
    assert any("SCEP fails" in name for name in incident.evidence)


async def test_different_authorities() -> None:
    """The regions prove different CAs: one incident of the group, over when they agree again."""
    world = Watched()
    await world.minute(2)
    world.probes.scep[host("east")] = "0b" * 32
    await world.minute(8)
    incident = await world.incident()
    assert (incident.topic, incident.region, incident.severity) == (Topic.AUTHORITY, "", Severity.MINOR)
    assert any("east: CA 0b0b0b" in name for name in incident.evidence)
    assert world.teams.kinds == ["incident.opened"]
    del world.probes.scep[host("east")]
    await world.minute(18)
    assert (await world.incident()).stage is Stage.RESOLVED


async def test_a_stopped_app_and_the_event_that_told() -> None:
    """App Service's event from before is evidence; the site says that it is stopped."""
    world = Watched()
    await world.minute(2)
    await world.event("Stopped", "west")
    world.app.stopped.add(world.app_id("west"))
    world.probes.results[host("west")] = 403
    world.status("west", MonitorStatus.STOPPED)
    await world.minute(2)
    incident = await world.incident()
    assert (incident.cause, incident.stage) == (Cause.STOPPED, Stage.MITIGATED)
    assert any("the web app is stopped" in name for name in incident.evidence)
    assert "app-west stopped" in [entry.text for entry in incident.timeline if entry.who == "App Service"]


async def test_a_plan_below_standard() -> None:
    """Traffic Manager says Stopped although the app answers: the plan is named."""
    world = Watched()
    await world.minute(2)
    world.status("west", MonitorStatus.STOPPED)
    await world.minute(2)
    incident = await world.incident()
    assert incident.cause == Cause.STOPPED
    assert any("is its plan below Standard?" in name for name in incident.evidence)


async def test_a_region_taken_out_on_purpose() -> None:
    """A disabled endpoint is no incident. One that fails has an incident until it answers again, be it out or not."""
    world = Watched()
    await world.minute(2)
    world.profiles.set_endpoint("west", status=MonitorStatus.DISABLED, enabled=False)
    await world.minute(5)
    assert await world.incidents() == ()
    world.sick("east")
    await world.minute(2)
    world.profiles.set_endpoint("east", status=MonitorStatus.DISABLED, enabled=False)
    await world.minute(20)
    incident = await world.incident()
    assert (incident.region, incident.open) == ("east", True)
    assert "incident.resolved" not in world.teams.kinds
    world.probes.results[host("east")] = 200
    await world.minute(2)
    assert (await world.incident()).stage is Stage.RESOLVED


async def test_what_we_disturb_ourselves_is_expected() -> None:
    """While a write of ours restarts a region, its stumbling opens no incident; its fall does."""
    world = Watched()
    await world.minute(2)
    seen = {name: a_health(at=world.clock.now()) for name in ("west", "east")}
    asked = a_disruption("west", at_most=600)
    await request(world.store, row_name(world.profile_id), asked, seen, world.clock.now())
    world.sick("west", seen=False)
    await world.minute(3)
    assert await world.incidents() == ()
    world.sick("west")
    await world.minute()
    assert (await world.incident()).stage is Stage.MITIGATED


async def test_a_drill_is_no_incident() -> None:
    """A region that a drill has taken out, and that stumbles meanwhile, opens nothing."""
    world = Watched()
    await world.minute(2)
    seen = {name: a_health(at=world.clock.now()) for name in ("west", "east")}
    wish = a_disruption("west", at_most=1800)
    asked = msgspec.structs.replace(wish, kind=PermitKind.DRILL, profile=world.profiles.profiles[0])
    await request(world.store, row_name(world.profile_id), asked, seen, world.clock.now())
    world.sick("west")
    await world.minute(3)
    assert await world.incidents() == ()


async def test_a_held_settings_change() -> None:
    """Held for a person: a card that links to the decision; over when the person decides."""
    world = Watched()
    world.settings = msgspec.structs.replace(world.settings, base_url="https://func.test")
    await world.minute(2)
    world.edit("west", K00=val("w"))
    world.edit("east", K00=val("e"))
    await world.tick(doorbell=True)
    await world.minute(2)
    incident = await world.incident()
    assert (incident.topic, incident.cause, incident.severity) == (Topic.SETTINGS, HELD, Severity.MINOR)
    (letter,) = world.teams.letters
    rollout = await world.rollout()
    assert rollout.plan is not None
    decision = f"https://func.test/api/decisions/{row_name(world.profile_id)}.{rollout.plan.fingerprint}"
    assert letter.kind == "incident.held"
    assert [link.url for link in letter.card.links] == [
        decision,
        f"https://func.test/api/incidents/{incident.id}",
    ]
    await world.ask(SettingsAsk.TAKE, region="west", keys=["K00"])
    await world.minute(20)
    assert (await world.incident()).stage is Stage.RESOLVED
    assert world.teams.kinds == ["incident.held", "incident.resolved"]


async def test_a_change_that_breaks_its_region_makes_one_incident() -> None:
    """It is named as the cause, waits for a person in the same incident, and is over when it was put back."""
    world = Watched()
    world.settings = msgspec.structs.replace(world.settings, base_url="https://func.test")
    await world.minute(2)
    world.edit("west", K00=val("bad"))
    await world.tick(doorbell=True)
    world.sick("west")
    await world.minute(20)
    incident = await world.incident()
    assert (incident.region, incident.cause, incident.severity) == (
        "west", Cause.SETTINGS_CHANGE, Severity.MAJOR,
    )  # fmt: skip
    assert any("west: its settings were changed" in name and "K00" in name for name in incident.evidence)
    assert world.teams.kinds == ["incident.opened", "incident.mitigated", "incident.held"]
    opened, _, held = world.teams.letters
    assert ("Cause", "a settings change") in opened.card.facts
    assert any("counterpart revert" in line or "(revert" in line for line in held.card.lines)
    assert "https://func.test/api/decisions/" in held.card.links[0].url
    await world.ask(SettingsAsk.REVERT)
    world.well("west")
    await world.minute(30)
    incident = await world.incident()
    assert (incident.stage, incident.cause) == (Stage.RESOLVED, Cause.SETTINGS_CHANGE)
    assert world.teams.kinds[3:] == ["incident.resolved"]
    assert SECRET not in repr(await world.incidents())


async def test_a_held_change_that_breaks_its_region_goes_on_as_one_incident() -> None:
    """An identity key is held at once; when its region fails by it, what waits is that region's incident."""
    world = Watched()
    await world.minute(2)
    world.edit("west", {VAULT: val("other")})
    await world.tick(doorbell=True)
    await world.minute()
    assert [incident.topic for incident in await world.incidents() if incident.open] == [Topic.SETTINGS]
    world.sick("west")
    await world.minute(5)
    (one,) = [incident for incident in await world.incidents() if incident.open]
    assert (one.region, one.cause, one.waits) == ("west", Cause.SETTINGS_CHANGE, True)
    world.well("west")
    await world.minute(11)
    (again,) = [incident for incident in await world.incidents() if incident.open]
    assert again.topic is Topic.SETTINGS  # it waits still, and nothing fails any more


async def test_a_region_that_fails_long_after_a_change_was_not_broken_by_it() -> None:
    """The change is held for a person, and is another matter."""
    world = Watched()
    await world.minute(2)
    world.edit("west", {VAULT: val("other")})
    await world.tick(doorbell=True)
    await world.minute(15)
    world.sick("west")
    await world.minute(5)
    found = {incident.topic: incident.cause for incident in await world.incidents() if incident.open}
    assert found == {Topic.SERVICE: Cause.ONE_REGION, Topic.SETTINGS: HELD}


async def test_settings_are_in_the_timeline() -> None:
    """A change that made a region ill: the incident's timeline has the key's name, and no value."""
    world = Watched()
    await world.minute(2)
    world.edit("west", K00=val("bad"))
    await world.tick(doorbell=True)
    world.sick("west")
    await world.minute(20)
    service = [incident for incident in await world.incidents() if incident.topic is Topic.SERVICE]
    texts = [entry.text for entry in service[0].timeline if entry.who == "settings"]
    assert any("K00 (west to east)" in text for text in texts)
    assert any("contained" in text for text in texts)
    assert SECRET not in repr(await world.incidents())


@pytest.mark.parametrize(
    ("state", "cause"), [(HostState.UP, Cause.ONE_REGION), (HostState.DOWN, Cause.ARTIFACT_HOST)]
)
async def test_a_move_between_hosts_that_are_up_is_no_trouble_of_theirs(
    state: HostState, cause: Cause, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A region moves so that two do not share a host, and fails for another reason: the host is not named for it."""
    world = Watched()
    await world.minute(2)
    seen = a_watch(state=state, glances=(Glance(world.clock.now(), "", 5, 20_000),))
    moving = Flight(
        id="f", work=Work.ROTATE, phase=Phase.DONE, region="west", reason="2 regions use vendor", worker="w",
        claimed_at=START, worker_until=START, start=Start.HEALTHY, site=site_id("west").lower(), old=seen.location,
    )  # fmt: skip
    row = Packages(group="scepman", state=PackagesState.VERIFYING, since=START, reason="x", flight=moving)
    await write(world.store, watch_key(seen.location), seen, if_version=None)
    at = packages_key(world.profile_id)
    _, version = await read(world.store, at, Packages)
    await write(world.store, at, row, if_version=version)
    monkeypatch.setattr(artifact_hosts, "tend", nobody_tends)
    world.sick("west")
    await world.minute(3)
    assert (await world.incident()).cause == cause


async def nobody_tends(*_: object, **__: object) -> None:
    raise Conflict("another instance sees to the packages")


async def test_an_alert_and_the_look_meet() -> None:
    """The alert opens the incident, the look right after it confirms; one incident, one card."""
    world = Watched()
    await world.minute(2)
    world.sick("west")
    world.clock.advance(70)
    answer = await world.alert(an_alert(world.profile_id, world.clock.now() - timedelta(seconds=30)))
    assert answer.status == 200
    incident = await world.incident()
    assert answer.body["incidents"] == (incident.id,)
    assert incident.stage is Stage.MITIGATED
    assert incident.started == world.clock.now() - timedelta(seconds=30)
    assert world.teams.kinds == ["incident.opened", "incident.mitigated"]
    await world.alert(an_alert(world.profile_id, world.clock.now() - timedelta(seconds=30)))
    await world.minute(3)
    assert await world.incident() == await find(incident.id, world.store, world.settings.incidents)
    assert len(world.teams.letters) == 2


async def test_the_store_is_not_there() -> None:
    """Without a store the alert is not safe: the caller is asked to come again."""
    world = Watched()
    await world.minute(2)

    async def unreachable(name: str) -> None:
        raise Unavailable("the store does not answer")

    world.effects.pause = unreachable
    with pytest.raises(Unavailable):
        await world.alert(an_alert(world.profile_id, world.clock.now()))


async def test_azure_does_not_answer_while_an_alert_comes() -> None:
    """Which groups are ours is known from before: the signal is taken, the look is left to the timer."""
    world = Watched()
    await world.minute(2)

    def silent() -> None:
        raise Unavailable("Resource Manager does not answer")

    world.profiles.before_read = silent
    answer = await world.alert(an_alert(world.profile_id, world.clock.now()))
    assert answer.status == 200
    assert (await world.incident()).stage is Stage.DETECTED
    with pytest.raises(Unavailable, match="cannot be told now"):
        await world.alert(an_alert(world.profile_id + "-never-seen", world.clock.now()))


async def test_a_look_that_fails_does_not_lose_the_alert(caplog: pytest.LogCaptureFixture) -> None:
    """The signal is in the store; that the look failed is logged, and the answer is still a good one."""
    world = Watched()
    await world.minute(2)

    def broken() -> int:
        raise ZeroDivisionError("a bug")

    world.clock.advance(70)
    world.probes.results[host("west")] = broken
    assert (await world.alert(an_alert(world.profile_id, world.clock.now()))).status == 200
    assert "nobody foresaw" in caplog.text
    assert len(await world.incidents()) == 1


async def test_no_package_host_is_left() -> None:
    """What the watch over the package hosts finds is an incident of its region, until a host is back."""
    world = Watched()
    await world.minute(2)
    (profile,) = world.profiles.profiles
    gone = Finding(kind="no-package-host", severity=2, region="west", text="no host", way_out="mend one")
    for findings in ((gone,), (gone,), ()):
        row = Packages(group="scepman", state=PackagesState.EXHAUSTED, since=world.clock.now(), reason="x")
        tended = Tended(row=row, choices=(), findings=findings)
        world.clock.advance(60)
        group = a_group()
        recent = [incident for incident in await world.incidents() if incident.open]
        await incidents.heed(group, {}, recent, None, tended, world.ports, world.settings)
        assert group.id == profile.id
    incident = await world.incident()
    assert (incident.topic, incident.region, incident.cause) == (Topic.HOSTS, "west", EXHAUSTED)
    assert (incident.severity, incident.stage) == (Severity.MINOR, Stage.RESOLVED)
    assert "mend one" in incident.evidence


async def test_an_untrusted_host_that_fails_too_leaves_none() -> None:
    """One incident, whose cause gets worse and not better before it is over."""
    world = Watched()
    await world.minute(2)
    kinds = ["no-trusted-host", "no-trusted-host", "no-package-host", "no-trusted-host"]
    causes = []
    for kind in kinds:
        found = Finding(kind=kind, severity=2, region="west", text=f"as told: {kind}", way_out="wait")
        row = Packages(group="scepman", state=PackagesState.EXHAUSTED, since=world.clock.now(), reason="x")
        tended = Tended(row=row, choices=(), findings=(found,))
        world.clock.advance(60)
        recent = [incident for incident in await world.incidents() if incident.open]
        await incidents.heed(a_group(), {}, recent, None, tended, world.ports, world.settings)
        causes.append((await world.incident()).cause)
    assert causes == [UNTRUSTED, UNTRUSTED, EXHAUSTED, EXHAUSTED]
    assert [name for name in (await world.incident()).evidence if name.startswith("as told")] == [
        "as told: no-trusted-host",
        "as told: no-package-host",
    ]


async def test_the_night_forgets() -> None:
    """Once a night what is older than the retention goes."""
    world = Watched()
    await world.minute(2)
    world.sick("west")
    await world.minute(3)
    world.well("west")
    await world.minute(80)
    assert len(await world.incidents()) == 1
    night = world.clock.now().replace(hour=3, minute=0) + timedelta(days=366)
    world.clock.advance((night - world.clock.now()).total_seconds())
    await incidents.tell(world.ports, world.settings)
    assert await world.incidents() == ()


async def with_deaf_people() -> Watched:
    """A region fails, and Teams takes no card."""
    world = Watched()
    await world.minute(2)
    world.teams.down = Unavailable("post a card to the Teams workflow: HTTP 503", effect=Effect.NOT_APPLIED)
    world.sick("west")
    return world


async def test_cards_that_cannot_be_told_are_tried_again() -> None:
    """Teams is down for an hour; then it is told, once."""
    world = await with_deaf_people()
    await world.minute(60)
    assert world.teams.letters == []
    assert [message.problem for message in await waiting(world.store)] != []
    world.teams.down = None
    await world.minute(40)
    assert world.teams.kinds == ["incident.opened", "incident.mitigated"]


async def test_a_card_that_is_given_up_is_in_the_timeline() -> None:
    """After a day nobody could be told: the incident says so."""
    world = await with_deaf_people()
    await world.minute(3)
    world.clock.advance(86_400)
    await world.minute(40)
    assert any("could not be told to teams" in entry.text for entry in (await world.incident()).timeline)
    assert {message.given_up_at is not None for message in await waiting(world.store)} == {True}


async def test_who_dies_after_noting_that_a_card_is_given_up_notes_it_once() -> None:
    """The card is tried and given up once more by who comes next, and the timeline has one line of it."""
    world = await with_deaf_people()
    await world.minute(3)
    (before, *_) = await waiting(world.store)
    world.clock.advance(86_400)
    await world.minute(40)
    row = await world.store.get(letter_key("teams", before.id))
    assert row is not None
    await world.store.put(Row(row.row.key, msgspec.json.encode(before)), if_version=row.version)
    await world.minute(2)
    assert {message.given_up_at is not None for message in await waiting(world.store)} == {True}
    lines = [
        entry
        for entry in (await world.incident()).timeline
        if f"{before.kind} could not be told" in entry.text
    ]
    assert len(lines) == 1


async def test_a_timeline_that_another_version_wrote_stops_no_card(caplog: pytest.LogCaptureFixture) -> None:
    """The card is given up all the same, and the log says that no timeline has it."""
    world = await with_deaf_people()
    await world.minute(3)
    (key,) = rows(world, "incident-ledgers/")
    row = await world.store.get(Key(key))
    assert row is not None
    newer = msgspec.json.encode(msgspec.json.decode(row.row.body) | {"of_another_version": True})
    await world.store.put(Row(row.row.key, newer), if_version=row.version)
    world.clock.advance(86_400)
    for _ in range(40):
        world.clock.advance(60)
        await incidents.tell(world.ports, world.settings)
    assert {message.given_up_at is not None for message in await waiting(world.store)} == {True}
    assert "is in no timeline" in caplog.text


async def test_over_and_archived() -> None:
    """An hour after its end the incident lies in the archive, under the same id, and goes with the retention."""
    world = Watched()
    await world.minute(2)
    world.sick("west")
    await world.minute(3)
    id_ = (await world.incident()).id
    world.well("west")
    await world.minute(75)
    assert rows(world, "incidents/") == [f"incidents/{id_}"]
    assert (await world.incident()).id == id_
    archived = await find(id_, world.store, world.settings.incidents)
    assert archived.stage is Stage.RESOLVED
    later = world.clock.now() + timedelta(days=364)
    assert await forget(world.store, later, world.settings.incidents) == 0
    assert await forget(world.store, later + timedelta(days=2), world.settings.incidents) == 1
    with pytest.raises(NotFound):
        await find(id_, world.store, world.settings.incidents)


async def test_the_next_incident_has_the_next_number() -> None:
    """A region that fails again much later is another incident."""
    world = Watched()
    for _ in range(2):
        await world.minute(2)
        world.sick("west")
        await world.minute(3)
        world.well("west")
        await world.minute(80)
    numbers = sorted(incident.id.rsplit("-", 1)[-1] for incident in await world.incidents())
    assert numbers == ["1", "2"]


async def test_acknowledging() -> None:
    """A person takes it on; a second one is told who was first; what is over cannot be taken on."""
    world = Watched()
    await world.minute(2)
    world.sick("west")
    await world.minute(2)
    id_ = (await world.incident()).id
    world.clock.advance(30)
    said = Ask(incident=id_, by="ada", reason="on it")
    incident = await incidents.acknowledge(said, world.ports, world.settings)
    assert (incident.acknowledged_by, incident.acknowledged) == ("ada", world.clock.now())
    with pytest.raises(IllegalTransition, match="was acknowledged by ada"):
        await incidents.acknowledge(Ask(incident=id_, by="bob"), world.ports, world.settings)
    world.well("west")
    await world.minute(80)
    with pytest.raises(IllegalTransition, match="is resolved"):
        await incidents.acknowledge(Ask(incident=id_, by="bob"), world.ports, world.settings)


@pytest.mark.parametrize(
    "id_", ["", "scepman", "scepman-1", "../../x-1", "A-1", "x" * 300 + "-1", "scepman-x"]
)
async def test_no_such_incident(id_: str) -> None:
    """Whatever is asked for, the answer is that there is none."""
    with pytest.raises(NotFound):
        await find(id_, Watched().store, Watched().settings.incidents)


async def outage(effects: Effects | None = None) -> Watched:
    """A region dies and comes back; a killed process is followed by another one a minute later."""
    world = Watched({"K00": val()}, regions=("west", "east"))
    soon = msgspec.structs.replace(world.settings.incidents, flap=120.0, keep=180.0)
    world.settings = msgspec.structs.replace(world.settings, incidents=soon)
    await world.minute(2)
    world.effects = effects or Effects()
    world.sick("west")
    for _ in range(5):
        with suppress(Killed):
            await world.minute()
    world.well("west")
    for _ in range(10):
        with suppress(Killed):
            await world.minute()
    return world


@pytest.mark.parametrize("after", [False, True])
async def test_killed_at_any_effect(after: bool) -> None:  # noqa: FBT001 -- a table
    """Whenever the process dies, in the end there is one incident, in the archive, and each card was sent."""
    plain = await outage()
    wanted = ["incident.opened", "incident.mitigated", "incident.resolved"]
    assert plain.teams.kinds == wanted
    ours = [
        number
        for number, name in enumerate(plain.effects.names, start=1)
        if any(item in name for item in ("incident", "outbox"))
    ]
    for number in ours:
        world = await outage(Effects(kill_at=number, after=after))
        assert world.effects.killed
        assert list(dict.fromkeys(world.teams.kinds)) == wanted, number
        assert len(world.teams.kinds) <= len(wanted) + 1, number  # at least once: dying between two writes
        incident = await world.incident()
        assert rows(world, "incidents/") == [f"incidents/{incident.id}"]
        (ledger,) = rows(world, "incident-ledgers/")
        stored = await world.store.get(ledger)  # type: ignore[arg-type]
        assert stored is not None
        assert msgspec.json.decode(stored.row.body, type=Ledger).named == ()


async def test_no_value_in_any_row_or_card(caplog: pytest.LogCaptureFixture) -> None:
    """Rows, cards and logs of a bad day hold no setting's value."""
    caplog.set_level(logging.DEBUG)
    world = Watched({"K00": val("old")})
    await world.minute(2)
    world.edit("west", K00=val("bad"))
    await world.tick(doorbell=True)
    world.sick("west")
    await world.minute(25)
    assert world.teams.letters != []
    assert list(leaks([world], caplog.records)) == []
    assert SECRET not in repr(world.teams.letters)


async def test_an_archived_row_reads_back() -> None:
    """What is in the archive is what was in the ledger."""
    world = Watched()
    await world.minute(2)
    world.probes.results[host("west")] = ProbeResult(at=START, status=503, problem="")
    world.status("west", MonitorStatus.DEGRADED)
    await world.minute(3)
    before = await world.incident()
    row = Archived(incident=before, archived=world.clock.now())
    assert msgspec.json.decode(msgspec.json.encode(row), type=Archived) == row
