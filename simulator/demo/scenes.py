"""The scenes. Each one begins and ends with a converged pair, and checks what the world says, not the product."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from shared.drills.report import markdown, page
from shared.pages import html
from shared.settings_sync.model import State
from simulator.artifact_hosts import GITHUB_HOST, VENDOR_HOST, start_from
from simulator.demo.theatre import PRODUCT, SOAK, Theatre
from simulator.device import Device, Enrolment
from simulator.world import PACKAGE, Site

VALIDITY = "AppConfig:ValidityPeriodDays"
LICENSE = "AppConfig:LicenseKey"
OCSP = "AppConfig:OCSP:CacheTimeOutSecondsIfDeviceExists"


@dataclass(frozen=True)
class Scene:
    """One scene: its name, what it shows, and how it is played."""

    name: str
    about: str
    play: Callable[[Theatre], Awaitable[None]]


async def a_change_travels(on: Theatre) -> None:
    """An edit soaks in its region and reaches the other by one write and one restart."""
    first, second = on.sites
    mark = len(on.world.journal)
    device = on.device()
    async with device.watch():
        on.teller.say(f"an administrator adds {OCSP} and changes {LICENSE} in {first.name}")
        on.world.edit(first, {OCSP: "300", LICENSE: "S3CRET-a-renewed-licence"})
        edited = on.world.now()
        await on.until_state(State.SOAKING)
        await on.until(lambda: on.writes(second, mark) > 0, f"{second.name} is written")
        written = next(happening.at for happening in on.world.journal[mark:] if happening.who in PRODUCT)
        on.teller.say(f"{second.name} was written {written - edited:.1f} s after the edit and restarts")
        enrolment = await device.enrol("device-of-scene-1")
        await on.until_state(State.CONVERGED)
    on.check(
        second.app_settings == {**second.app_settings, **_shared(on, OCSP, LICENSE)}, "both keys arrived"
    )
    on.check(written - edited >= SOAK, f"not before the soak of {SOAK:g} s was over")
    on.check(on.writes(second, mark) == 1, f"{second.name} got one merged write")
    on.check(on.world.count("restart", second.name, since=mark) == 1, f"{second.name} restarted once")
    on.check(on.writes(first, mark) == 0, f"{first.name} was not written")
    on.check(
        not device.failures,
        f"a device saw the service up in {len(device.attempts)} of {len(device.attempts)} looks",
    )
    if enrolment.installed:
        on.check(enrolment.ok, f"scepclient enrolled through {on.domain}, served by {enrolment.site}")
    else:
        on.teller.say(f"no real enrolment: {enrolment.reason}")
    on.check(
        not on.world.vaults["kv-counterpart"].secrets, "the copy of the old values is gone from Key Vault"
    )


def _shared(on: Theatre, *keys: str) -> dict[str, str]:
    first, _ = on.sites
    return {key: first.app_settings[key] for key in keys}


async def a_bad_change_is_contained(on: Theatre) -> None:
    """A change that breaks its region goes nowhere, and one command puts it back."""
    first, second = on.sites
    mark = len(on.world.journal)
    only_second = on.device(second.host)
    async with only_second.watch():
        on.teller.say(f"somebody types words into {VALIDITY} in {first.name}, which wants a number")
        on.world.edit(first, {VALIDITY: "one year"})
        await on.until_state(State.CONTAINED)
        on.check(on.writes(second, mark) == 0, f"{second.name} was not written")
        device = on.device()
        looks = [await device.check() for _ in range(3)]
        on.check(
            all(look.ok and look.site == second.name for look in looks),
            f"devices are sent to {second.name} and served",
        )
        ran = await on.shell("revert", "--reason", "not a number", "--yes", "--wait")
        on.check(ran.code == 0, "one command put the change back")
        on.check(
            first.app_settings[VALIDITY] == second.app_settings[VALIDITY],
            f"{first.name} has {second.name}'s value",
        )
    on.check(on.writes(second, mark) == 0, f"{second.name} was never written")
    on.check(not only_second.failures, f"{second.name} served in all {len(only_second.attempts)} looks")
    on.check((await on.device(first.host).check()).ok, f"{first.name} serves again")


async def both_changed_the_same_key(on: Theatre) -> None:
    """Two people change one key differently: nothing is guessed, a person takes a side."""
    first, second = on.sites
    mark = len(on.world.journal)
    on.teller.say(f"{OCSP} is changed in both regions, differently")
    on.world.edit(first, {OCSP: "120"})
    on.world.edit(second, {OCSP: "240"})
    await on.until_state(State.HELD)
    ran = await on.shell("plan")
    on.check(
        ran.code == 3 and OCSP in ran.out, "the plan shows the conflict and says that a person must decide"
    )
    await asyncio.sleep(2 * SOAK)
    on.check(on.writes(first, mark) + on.writes(second, mark) == 0, "until then nothing is written")
    ran = await on.shell(
        "resolve", "--take", "neu", "--key", OCSP, "--reason", "the longer one", "--yes", "--wait"
    )
    on.check(ran.code == 0, "the decision is carried out")
    on.check(
        first.app_settings[OCSP] == second.app_settings[OCSP] == "240", "both regions have the chosen value"
    )
    on.check(
        on.writes(first, mark) == 1 and on.writes(second, mark) == 0, f"only {first.name} was written, once"
    )


async def an_event_is_lost(on: Theatre) -> None:
    """Nothing arrives; the timer's sweep finds the change."""
    first, second = on.sites
    mark = len(on.world.journal)
    on.world.events.lose = True
    try:
        on.teller.say(f"Event Grid loses the event of a change to {OCSP} in {second.name}")
        on.world.edit(second, {OCSP: "360"})
        await on.until(lambda: on.writes(first, mark) > 0, f"{first.name} is written")
        await on.until_state(State.CONVERGED)
    finally:
        on.world.events.lose = False
    on.check(on.world.count("event-lost", second.name, since=mark) == 1, "the event was really lost")
    on.check(first.app_settings[OCSP] == "360", "the change arrived all the same, from B to A this time")
    on.check(on.writes(first, mark) == 1, f"{first.name} got one write")


async def a_burst_makes_one_write(on: Theatre) -> None:
    """Twenty edits in a row, each a save in the portal: one write and one restart of the peer."""
    first, second = on.sites
    mark = len(on.world.journal)
    on.teller.say(f"twenty edits are saved one by one in {first.name}")
    for number in range(20):
        on.world.edit(first, {f"AppConfig:JamfValidation:Note{number % 5}": f"note {number}"})
        await asyncio.sleep(0.05)
    await on.until(lambda: on.writes(second, mark) > 0, f"{second.name} is written")
    await on.until_state(State.CONVERGED)
    on.check(
        on.world.count("settings-put", first.name, since=mark) == 20, f"{first.name} was saved twenty times"
    )
    on.check(on.writes(second, mark) == 1, f"{second.name} got one write")
    on.check(on.world.count("restart", second.name, since=mark) == 1, f"{second.name} restarted once")
    notes = [f"AppConfig:JamfValidation:Note{number}" for number in range(5)]
    on.check(
        all(second.app_settings.get(note) == first.app_settings[note] for note in notes),
        "with all that was saved last",
    )


async def the_host_dies(on: Theatre) -> None:
    """A package host is gone: who would need it at the next restart is moved while nothing has happened yet."""
    first, second = on.sites
    dead, other = (on.world.artifact_hosts[name] for name in (GITHUB_HOST, VENDOR_HOST))
    before, mark = dict(first.app_settings), len(on.world.journal)
    device = on.device()
    await on.until_hosts_are_known()
    async with device.watch():
        on.teller.say(f"{dead.name} stops answering: {first.name} fetched its package there, and would again")
        dead.faults.down = True
        await on.until(lambda: on.writes(first, mark) > 0, f"{first.name} is moved to another host")
        on.teller.say(f"{first.name} was told to fetch its package from {other.name}, and restarts")
        await on.until_packages_rest()
        on.teller.say("the platform moves both apps to other machines, as it does about every two weeks")
        moved = len(on.world.journal)
        for site in on.sites:
            on.world.platform_restart(site)
        await on.until(lambda: all(on.world.now() > site.boots_at for site in on.sites), "both have booted")
        looks = [await on.device(site.host).check() for site in on.sites]
    on.check(
        first.app_settings == {**before, PACKAGE: other.url("/dist/Artifacts.zip")},
        f"{first.name} has the same file of the other host in its settings, and nothing else is new",
    )
    on.check(on.writes(first, mark) == 1, f"{first.name} was written once")
    on.check(on.writes(second, mark) == 0, f"{second.name}, whose host is well, was not touched")
    came = [
        happening.where
        for happening in on.world.journal[moved:]
        if happening.what == "package-fetch" and other.name in happening.detail
    ]
    on.check(
        sorted(came) == sorted(site.name for site in on.sites),
        f"both fetched their package from {other.name}",
    )
    on.check(all(look.ok for look in looks), "both came back")
    without = start_from(on.world.artifact_hosts, before[PACKAGE], first.os, on.world.now())
    on.check(without.failed == "download", f"from {dead.name} it would not have: {without.reason}")
    on.check(not device.failures, f"a device saw the service up in all {len(device.attempts)} looks")


async def a_region_dies(on: Theatre) -> None:
    """Nobody reaches a region any more: known, classified, told, measured; and well again without anybody's doing."""
    first, second = on.sites
    mark, began = len(on.world.journal), on.world.now_utc()
    device = on.device()
    async with device.watch():
        on.teller.say(f"{first.name} is lost: every connection to it is reset")
        first.faults.down = True
        lost = on.world.now()
        incident = await on.until_incident(lambda it: it.mitigated is not None, "has left DNS", since=began)
        on.teller.say(
            f"counterpart: {incident.id}: {incident.cause}, severity {incident.severity}, {incident.stage}"
        )
        await on.until(
            lambda: on.world.count("alert-delivered", incident.group, since=mark) > 0, "the alert came"
        )
        moved = len(device.attempts)
        await on.until(lambda: len(device.attempts) >= moved + 5, "a device looked five times more")
        enrolment = await device.enrol("device-of-scene-7")
        on.teller.say(f"{first.name} is back; nobody tells counterpart")
        first.faults.down = False
        await on.until_incident(lambda it: it.id == incident.id and not it.open, "is over", since=began)
        await on.until(lambda: len(on.told("webhook", lost)) >= TOLD, "the end was told")
        await on.until(
            lambda: on.world.count("alert-delivered", incident.group, since=mark) > 1, "the alert ended"
        )
    ran = await on.shell("incidents", "list")
    on.check(ran.code == 0 and incident.id in ran.out, "no incident is open any more")
    ran = await on.shell("incidents", "export", incident.id, show=8)
    _check_the_record(on, ran.out, first, second)
    _check_what_was_told(on, lost)
    page = await on.page(on.cards(lost)[0]["actions"][-1]["url"])
    on.check(incident.id in page and "</table>" in page, "a card's link opens the incident as a page")
    _check_what_devices_met(on, device, moved, second)
    if enrolment.installed:
        on.check(
            enrolment.ok and enrolment.site == second.name,
            f"scepclient enrolled through {on.domain} meanwhile, served by {second.name}",
        )
    else:
        on.teller.say(f"no real enrolment: {enrolment.reason}")


TOLD = 3  # opened, mitigated, resolved


def _check_the_record(on: Theatre, text: str, first: Site, second: Site) -> None:
    """The export: what it was, with each region's evidence, who saw it, and how long it took."""
    on.check("**Cause**: one region" in text, "the record says that it was one region")
    seen = ("weu: at ", "neu: at ", "Traffic Manager says Degraded", "SCEP proves CA")
    on.check(all(name in text for name in seen), "with what every region answered meanwhile")
    witnesses = ("| Azure Monitor |", "| DNS |", "| Counterpart |")
    on.check(
        all(witness in text for witness in witnesses),
        "seen by our own look, by Azure Monitor's alert, and in DNS",
    )
    on.check(f"leads to {second.host}, no longer to {first.host}" in text, f"DNS went over to {second.name}")
    took = [
        line
        for line in text.splitlines()
        if line.startswith(("- **Detected", "- **Out of DNS", "- **Resolved"))
    ]
    for line in took:
        on.teller.say(line.removeprefix("- ").replace("**", ""))
    on.check(len(took) == TOLD and all(", after " in name for name in took), "and every time was measured")


def _check_what_was_told(on: Theatre, lost: float) -> None:
    """Three cards in order, and the same to programs."""
    cards = on.cards(lost)
    titles = [card["body"][0]["text"].partition(": ")[2] for card in cards]
    told = ["fails", "devices are led to the other regions", "resolved"]
    on.check(titles == told, f"Teams got three cards: {', '.join(told)}")
    kinds = [item["kind"] for item in on.told("webhook", lost)]
    on.check(
        kinds == [f"incident.{name}" for name in ("opened", "mitigated", "resolved")],
        "a webhook got the same as JSON",
    )
    types = [item["type"].rpartition(".")[2] for item in on.told("event-grid", lost)]
    on.check(types == ["Opened", "Mitigated", "Resolved"], "an Event Grid topic got them as CloudEvents 1.0")


def _check_what_devices_met(on: Theatre, device: Device, moved: int, second: Site) -> None:
    """Failures until Traffic Manager and the name's time to live had passed, then none."""
    after = device.attempts[moved:]
    on.check(
        all(attempt.ok for attempt in after) and any(attempt.site == second.name for attempt in after),
        f"after DNS had moved a device was served in {len(after)} of {len(after)} looks",
    )
    on.teller.say(f"until then it had failed in {len(device.failures)} of {moved} looks")


DRILL_TTL = 2  # seconds: of the profile in the drill, for the product's own waiting knows no faster world


async def a_drill(on: Theatre) -> None:
    """A region is taken out of DNS on purpose, devices keep enrolling, it comes back, and the report is kept."""
    first, second = on.sites
    (profile,) = on.world.profiles.values()
    (endpoint,) = [endpoint for endpoint in profile.endpoints if endpoint.target_site == first.name]
    ttl, profile.ttl = profile.ttl, DRILL_TTL
    try:
        mark = len(on.world.journal)
        ran = await on.shell(
            "drill", "start", "--region", endpoint.name, "--reason", "the audit", "--dry-run"
        )
        on.check(ran.code == 0 and "predicted recovery" in ran.out, "the preflight allows it, and predicts")
        on.check(endpoint.enabled, "asking has touched nothing")
        device = on.device()
        async with device.watch():
            await on.shell(
                *("drill", "start", "--region", endpoint.name, "--observe", "6", "--target", "4"),
                *("--reason", "before the audit", "--by", "an administrator", "--yes"),
            )
            await on.until(lambda: not endpoint.enabled, f"{endpoint.name} is drained")
            on.teller.say(f"{endpoint.name} is out of DNS; {first.name} itself goes on running")
            enrolments = [await device.enrol(f"device-of-scene-8-{number}") for number in range(2)]
            out = not endpoint.enabled
            drill = await on.until_drilled()
        on.check(endpoint.enabled, f"{endpoint.name} is back")
        ran = await on.shell("drill", "report", drill.id, show=26)
        on.check(
            ran.code == 0 and "| recovery, orderly drain | 2 s |" in ran.out, "predicted beside measured"
        )
        on.check(drill.state == "succeeded", f"the drill succeeded: {drill.reason}")
        on.check(not device.failures, f"a device saw the service up in all {len(device.attempts)} looks")
        on.check(on.world.count("restart", first.name, since=mark) == 0, "nothing restarted")
        _check_enrolments(on, enrolments, second, out=out)
        if on.keep is not None:
            (on.keep / "drill-report.md").write_text(markdown(drill), "utf-8")
            (on.keep / "drill-report.html").write_text(html(page(drill)), "utf-8")
    finally:
        profile.ttl = ttl


def _check_enrolments(on: Theatre, enrolments: Sequence[Enrolment], second: Site, *, out: bool) -> None:
    if not enrolments[-1].installed:
        on.teller.say(f"no real enrolment: {enrolments[-1].reason}")
        return
    on.check(out, "the region was out for all that time")
    served = f"scepclient enrolled {len(enrolments)} times through {on.domain} meanwhile"
    on.check(all(enrolment.ok for enrolment in enrolments), served)
    on.check(enrolments[-1].site == second.name, f"the last time served by {second.name}")


SCENES = (
    Scene("a change travels", "An edit in one region reaches the other, safely.", a_change_travels),
    Scene("a bad change is contained", "What breaks one region stays there.", a_bad_change_is_contained),
    Scene("both sides changed the same key", "Conflicts go to people.", both_changed_the_same_key),
    Scene("a lost event", "Events are doorbells; the timer knocks anyway.", an_event_is_lost),
    Scene("a burst", "Many edits, one disturbance.", a_burst_makes_one_write),
    Scene("the host dies", "The package is there before the restart needs it.", the_host_dies),
    Scene(
        "a region dies",
        "Known, classified, told, measured; devices are served by the other one.",
        a_region_dies,
    ),
    Scene("a drill", "A region is taken out on purpose, measured, and put back.", a_drill),
)
