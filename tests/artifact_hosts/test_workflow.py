"""Hosts are watched, regions are moved before a restart needs it, and every step is safe to die in."""

import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from shared.artifact_hosts.model import SETTING, HostState, State, Work
from shared.errors import AppError, Denied, IllegalTransition, NotFound, Throttled, Unavailable, UnsafePlan
from shared.groups.model import MonitorStatus, Os
from shared.settings_sync.model import State as RolloutState
from shared.store import Stored
from tests.artifact_hosts.hosting import (
    DEFERRED_URL,
    GITHUB_LINUX,
    GITHUB_URL,
    ONE_URL,
    OUTAGE,
    OWN,
    TWO_URL,
    VENDOR_LINUX,
    VENDOR_URL,
    Hosted,
    a_package,
)
from tests.builders import host, site_id
from tests.fakes.clock import START
from tests.fakes.packages import A_PACKAGE
from tests.rounds import SECRET, Effects, Killed, val

BOTH = {"west": GITHUB_URL, "east": VENDOR_URL}


async def up(urls: dict[str, str] | None = None, **changes: Any) -> Hosted:
    """A pair whose hosts are all up."""
    world = Hosted(urls or BOTH, **changes)
    await world.all_up()
    return world


# -- watching -----------------------------------------------------------------------------------------------------


async def test_quiet_while_all_is_well() -> None:
    """Both hosts are up: nothing is written, and settings are read at the sweep only, once for all slices."""
    world = await up()
    await world.minutes(16)
    reads = len(world.app.reads)
    tended = await world.minutes(60)
    assert tended.row.state is State.WATCHING
    assert tended.findings == ()
    assert world.written == []
    assert len([what for _, what in world.app.reads[reads:] if what == "settings"]) == 2 * 4


async def test_settings_are_read_once_a_sweep_after_a_rollout_too() -> None:
    """A rollout moves the settings' sweep; this part goes with it, and does not read in between."""
    world = await up()
    await world.minutes(16)
    world.edit("east", K=val("new"))
    await world.ring()
    await world.minutes(30)
    assert world.has("west", "K") == val("new")
    reads = len(world.app.reads)
    await world.minutes(120)
    assert len([what for _, what in world.app.reads[reads:] if what == "settings"]) == 2 * 8


async def test_hosts_are_checked_on_their_own_schedule() -> None:
    """Every five minutes, not every minute, and each location once however many regions use it."""
    world = await up({"west": GITHUB_URL, "east": GITHUB_URL}, rotate=False)
    world.packages.checked.clear()
    await world.minutes(60)
    for url in (GITHUB_URL, VENDOR_URL):
        assert 10 <= sum(name == url for name, _ in world.packages.checked) <= 13


async def test_an_unchanged_package_is_asked_about_by_its_tag() -> None:
    """The tag that was seen is sent, and once an hour the package is read anew."""
    world = await up()
    world.packages.checked.clear()
    await world.minutes(125)
    tags = [tag for url, tag in world.packages.checked if url == GITHUB_URL]
    assert set(tags) == {"", A_PACKAGE.digest}
    assert 1 <= tags.count("") <= 3


async def test_a_round_reads_its_own_hosts_only() -> None:
    """However many hosts other groups have: a round lists none, and asks for its own."""
    world = await up({"west": ONE_URL, "east": TWO_URL}, twins=OWN)
    listed, inner = list[str](), world.store.list

    def noting(prefix: str) -> AsyncIterator[Stored]:
        listed.append(prefix)
        return inner(prefix)

    setattr(world.store, "list", noting)  # noqa: B010 -- mypy takes no method for a field
    tended = (await world.tick()).packages
    assert tended is not None
    assert tended.row.state is State.WATCHING
    assert listed == []


async def test_an_unlisted_url_is_watched_without_being_kept(caplog: pytest.LogCaptureFixture) -> None:
    """A URL with a signature is read from its site for each check, and stands in no row and no log."""
    caplog.set_level(logging.DEBUG)
    world = await up({"west": ONE_URL, "east": VENDOR_URL})
    assert ONE_URL in {url for url, _ in world.packages.checked}
    world.dies(ONE_URL)
    tended = await world.minutes(40)
    assert tended.row.state is State.EXHAUSTED
    assert "COUNTERPART_PACKAGE_TWINS" in tended.row.reason
    assert world.written == []
    no_leak(world, caplog)


async def test_a_location_that_nobody_uses_any_more_is_forgotten() -> None:
    """After two days without a region that could use it, its row goes."""
    world = await up({"west": ONE_URL, "east": VENDOR_URL})
    world.edit("west", WEBSITE_RUN_FROM_PACKAGE=GITHUB_URL)
    for _ in range(100):
        await world.minute(seconds=1800)
    assert not any(name.startswith("custom") for name in await world.watched())
    assert "github.prod.windows" in await world.watched()


async def test_an_unlisted_url_that_is_in_no_settings_any_more_is_not_looked_for() -> None:
    """Its row goes with the next check: settings are not read every five minutes for an address nobody uses."""
    world = await up({"west": ONE_URL, "east": VENDOR_URL})
    world.edit("west", WEBSITE_RUN_FROM_PACKAGE=GITHUB_URL)
    await world.minutes(40)
    assert not any(name.startswith("custom") for name in await world.watched())
    reads = len(world.app.reads)
    await world.minutes(60)
    assert len([what for _, what in world.app.reads[reads:] if what == "settings"]) == 2 * 4


async def test_trouble_with_a_sites_settings_is_no_outage_of_its_host() -> None:
    """Reading the URL of an unlisted host fails: that says nothing about the host."""
    world = await up({"west": ONE_URL, "east": VENDOR_URL})

    def deny(site: str) -> None:
        if site == site_id("west"):
            raise Denied("config/list/Action")

    world.app.before_read = deny
    for _ in range(30):
        try:
            await world.minute()
        except Denied:
            continue
    assert set((await world.watched()).values()) == {HostState.UP}


async def test_trouble_of_the_store_does_not_stop_the_round() -> None:
    """The hosts cannot be listed in one minute; the group's round goes on."""
    world = await up()

    def fail(url: str) -> None:
        raise Unavailable("the store is away")

    world.packages.before = fail
    for _ in range(10):
        await world.minute()
    assert (await world.tended()).state is State.WATCHING


# -- rotating -----------------------------------------------------------------------------------------------------


async def test_a_dead_host_is_left_in_time() -> None:
    """The host dies; its region is moved to the other one, verified, and the other region is untouched."""
    world = await up()
    world.dies(GITHUB_URL)
    await world.minutes(25)
    assert world.url("west") == VENDOR_URL
    assert world.written == ["west"]
    row = await world.tended()
    assert row.state is State.WATCHING
    assert (await world.watched())["github.prod.windows"] is HostState.DOWN
    use = row.use("west")
    assert use is not None
    assert use.running.package == A_PACKAGE
    await world.tidy()


async def test_it_goes_home_when_its_host_is_back() -> None:
    """The host is up again: the region that was moved goes back, the other one was never touched."""
    world = await up()
    world.dies(GITHUB_URL)
    await world.minutes(25)
    world.lives(GITHUB_URL)
    await world.minutes(60)
    assert (world.url("west"), world.url("east")) == (GITHUB_URL, VENDOR_URL)
    assert world.written == ["west", "west"]


async def test_an_outage_that_is_too_short_moves_nobody() -> None:
    """Two bad checks are no outage."""
    world = await up()
    world.dies(GITHUB_URL)
    await world.minutes(8)
    world.lives(GITHUB_URL)
    await world.minutes(30)
    assert world.written == []


async def test_a_region_that_is_down_for_want_of_its_package_is_mended() -> None:
    """Its host died and the platform restarted it: it is moved although there is no way to ask it first."""
    world = await up()
    world.dies(GITHUB_URL)
    world.sick("west")
    await world.minutes(17)
    world.profiles.set_endpoint("west", status=MonitorStatus.ONLINE)  # Traffic Manager sees it answer again
    await world.minutes(10)
    assert world.url("west") == VENDOR_URL
    assert (await world.tended()).state is State.WATCHING
    await world.tidy()


@pytest.mark.parametrize("value", [None, "", "false"])
async def test_a_region_that_its_package_setting_keeps_down_is_brought_back(value: str | None) -> None:
    """Removed, emptied or no URL: found in one round, and the region gets what the other one runs, by a permit."""
    world = await up()
    world.edit("west", WEBSITE_RUN_FROM_PACKAGE=value)
    world.sick("west")
    tended = (await world.tick(doorbell=True)).packages
    assert tended is not None
    (found,) = [finding for finding in tended.findings if finding.kind == "package-setting"]
    assert (found.severity, found.region) == (2, "west")
    assert SETTING in found.text
    assert world.written == ["west"]
    assert world.url("west") in {GITHUB_URL, VENDOR_URL}
    world.profiles.set_endpoint("west", status=MonitorStatus.ONLINE)
    await world.minutes(10)
    assert (await world.tended()).state is State.WATCHING
    await world.tidy()


async def test_a_region_that_is_up_without_a_package_setting_waits_for_a_person() -> None:
    """A tool removed it: the region runs, would not start again, is not written, and is told with the way out."""
    world = await up()
    world.edit("west", WEBSITE_RUN_FROM_PACKAGE=None)
    tended = await world.minutes(16)
    (found,) = [finding for finding in tended.findings if finding.kind == "package-setting"]
    assert (found.severity, found.way_out) == (3, "counterpart package rotate --region west --reason TEXT")
    assert world.written == []
    world.edit("east", K=val("new"))
    row = await world.minutes(10)
    assert row is not None
    rollout = await world.rollout()
    assert "would not start again" in rollout.reason or rollout.state.value == "converged"
    await world.order(Work.ROTATE, "west", reason="it was removed")
    await world.minutes(10)
    assert world.url("west") in {GITHUB_URL, VENDOR_URL}


async def test_a_region_that_is_down_with_an_expired_signature_gets_what_the_others_run() -> None:
    """Its own URL answers 403: it has no other host, and being down it may take the other regions'."""
    world = await up({"west": ONE_URL, "east": VENDOR_URL})
    world.packages.lying[ONE_URL] = "it answers 403"
    world.sick("west")
    await world.minutes(17)
    world.profiles.set_endpoint("west", status=MonitorStatus.ONLINE)
    await world.minutes(10)
    assert world.url("west") in {GITHUB_URL, VENDOR_URL}
    await world.tidy()


async def test_with_rotation_on_request_it_is_a_finding_only() -> None:
    """A person is told which command brings the region back."""
    world = await up(rotate=False)
    world.edit("west", WEBSITE_RUN_FROM_PACKAGE="false")
    world.sick("west")
    tended = await world.minutes(3)
    assert world.written == []
    assert any(
        finding.kind == "package-setting" and "rotate --region west" in finding.way_out
        for finding in tended.findings
    )


@pytest.mark.parametrize(("days", "severity"), [(13, 3), (-1, 2), (15, None)])
async def test_a_signature_that_ends_is_told_in_time(
    days: int, severity: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Fourteen days before; the URL and its signature stand nowhere."""
    caplog.set_level(logging.DEBUG)
    end = START + timedelta(days=days, hours=12)
    url = (
        f"https://one.blob.core.windows.net/zip/a.zip?sv=2024&se={end:%Y-%m-%dT%H%%3A%M%%3A%SZ}&sig={SECRET}"
    )
    world = await up({"west": url, "east": VENDOR_URL})
    tended = await world.minutes(2)
    found = [finding.severity for finding in tended.findings if finding.kind == "signature-ends"]
    assert found == ([] if severity is None else [severity])
    no_leak(world, caplog)


async def test_never_the_last_healthy_region() -> None:
    """The other region is ill: the move waits for a permit and says why; then it is made."""
    world = await up()
    world.sick("east")
    world.dies(GITHUB_URL)
    await world.minutes(25)
    assert world.written == []
    row = await world.tended()
    assert any("no permit" in happening.text for happening in row.history)
    world.well("east")
    await world.minutes(10)
    assert world.written == ["west"]


async def test_linux_gets_the_linux_file() -> None:
    """The twin of the Linux file is the Linux file."""
    world = await up({"west": GITHUB_LINUX, "east": VENDOR_URL}, os={"west": Os.LINUX})
    world.dies(GITHUB_LINUX)
    await world.minutes(25)
    assert world.url("west") == VENDOR_LINUX


async def test_the_deferred_channel_stays() -> None:
    """It has no twin: nothing is written, and the finding says that the next restart would take it down."""
    world = await up({"west": DEFERRED_URL, "east": VENDOR_URL})
    world.dies(DEFERRED_URL)
    tended = await world.minutes(30)
    assert tended.row.state is State.EXHAUSTED
    assert world.written == []
    assert [(finding.kind, finding.severity) for finding in tended.findings] == [("no-package-host", 2)]


async def test_custom_twins_and_their_secrets(caplog: pytest.LogCaptureFixture) -> None:
    """A listed URL is rotated to its twin; no signature stands in a row or a log, and no copy is left."""
    caplog.set_level(logging.DEBUG)
    world = await up({"west": ONE_URL, "east": VENDOR_URL}, twins=OWN)
    world.dies(ONE_URL)
    await world.minutes(25)
    assert world.url("west") == TWO_URL
    no_leak(world, caplog)
    await world.tidy()


async def test_a_person_is_asked_if_so_configured() -> None:
    """`COUNTERPART_PACKAGE_ROTATE=ask`: held with the command that does it."""
    world = await up(rotate=False)
    world.dies(GITHUB_URL)
    tended = await world.minutes(25)
    assert world.written == []
    assert tended.row.state is State.HELD
    assert "counterpart package rotate --region west --reason TEXT" in tended.row.reason
    await world.order(Work.ROTATE, "west")
    await world.minutes(10)
    assert world.written == ["west"]


async def test_another_package_is_held_and_forced() -> None:
    """The other host has something else: held; a person's order with a reason takes it."""
    world = Hosted(BOTH)
    world.lives(VENDOR_URL, a_package("b"))
    await world.all_up()
    world.dies(GITHUB_URL)
    tended = await world.minutes(25)
    assert tended.row.state is State.HELD
    assert "different" in tended.row.reason
    assert world.written == []
    with pytest.raises(UnsafePlan):
        await world.order(Work.ROTATE, "west", forced=True)
    await world.order(Work.ROTATE, "west", forced=True, reason="the vendor confirmed it")
    await world.minutes(10)
    assert world.url("west") == VENDOR_URL
    row = await world.tended()
    assert row.outcome is not None
    assert row.outcome.well


async def test_a_region_that_does_not_come_back_gets_its_old_url() -> None:
    """The new host's package does not start there: undone, not tried again, and a person is told."""
    world = await up()
    world.ill_with.add(VENDOR_URL)
    world.dies(GITHUB_URL)
    tended = await world.minutes(16)
    assert tended.row.flight is not None
    world.lives(GITHUB_URL)  # the old package is to be had again by the time of the undoing
    tended = await world.minutes(20)
    assert world.url("west") == GITHUB_URL
    assert world.written == ["west", "west"]
    assert [refused.region for refused in tended.row.refused] == ["west"]
    await world.tidy()
    tended = await world.minutes(40)
    assert tended.row.state is State.WATCHING
    world.dies(GITHUB_URL)
    tended = await world.minutes(40)
    assert tended.row.state is State.HELD
    assert "did not come back" in tended.row.reason
    assert world.written == ["west", "west"], "not tried again by itself"


async def test_no_way_back_to_a_dead_host() -> None:
    """While the old host is dead its URL is not put back: the region would restart without a package."""
    world = await up()
    world.ill_with.add(VENDOR_URL)
    world.dies(GITHUB_URL)
    tended = await world.minutes(40)
    assert world.written == ["west"]
    assert tended.row.state is State.UNDOING
    assert f"its old URL waits: github (prod, windows): {OUTAGE}" in tended.row.reason
    world.lives(GITHUB_URL)
    await world.minutes(20)
    assert world.url("west") == GITHUB_URL
    assert world.probes.results[host("west")] == 200
    await world.tidy()


async def test_a_region_that_comes_back_late_stays() -> None:
    """It did not come back in time, but does while its old host is still dead: it is left where it is."""
    world = await up()
    world.ill_with.add(VENDOR_URL)
    world.dies(GITHUB_URL)
    await world.minutes(40)
    world.ill_with.clear()
    world.starts("west")
    await world.minutes(10)
    assert world.written == ["west"]
    assert (await world.tended()).state is State.WATCHING
    await world.tidy()


async def test_custom_urls_are_put_back_from_the_vault(caplog: pytest.LogCaptureFixture) -> None:
    """The old URL with its signature lies in the vault while its rotation is verified, and nowhere after."""
    caplog.set_level(logging.DEBUG)
    odd = ONE_URL.replace("https://stone", "HTTPS://Stone")  # the same place, spelled as a person did
    world = await up({"west": odd, "east": VENDOR_URL}, twins=OWN)
    world.ill_with.add(TWO_URL)
    for url in (ONE_URL, odd):
        world.dies(url)
    await world.minutes(17)
    assert world.url("west") == TWO_URL
    assert len(world.copies.copies) == 1
    for url in (ONE_URL, odd):
        world.lives(url)
    await world.minutes(20)
    assert world.url("west") == odd
    no_leak(world, caplog)
    await world.tidy()


async def test_a_new_host_that_dies_at_the_last_moment() -> None:
    """The target is looked at once more before the write: what was up a minute ago may be gone."""
    world = await up()
    world.dies(GITHUB_URL)

    def die(url: str) -> None:
        if url == VENDOR_URL and world.packages_row.flight:
            world.dies(VENDOR_URL)

    world.packages.before = die
    await world.minutes(30)
    assert world.written == []
    row = await world.tended()
    assert any("will not do" in happening.text for happening in row.history)
    await world.tidy()


async def test_a_new_package_at_the_last_moment() -> None:
    """The target's package is another one than was decided on: not written, decided anew."""
    world = await up()
    world.dies(GITHUB_URL)

    def change(url: str) -> None:
        if url == VENDOR_URL and world.packages_row.flight:
            world.lives(VENDOR_URL, a_package("c", names=(7, 8, 9)))

    world.packages.before = change
    await world.minutes(30)
    assert world.written == []
    assert (await world.tended()).state is State.HELD
    await world.tidy()


async def test_somebody_else_moves_the_region_meanwhile() -> None:
    """A person changes the URL between the decision and the write: the person's stays."""
    world = await up()
    world.dies(GITHUB_URL)

    def edit(url: str) -> None:
        if url == VENDOR_URL and world.packages_row.flight:
            world.edit("west", WEBSITE_RUN_FROM_PACKAGE=ONE_URL)

    world.packages.before = edit
    await world.minutes(30)
    assert world.url("west") == ONE_URL
    assert world.written == []
    await world.tidy()


async def test_somebody_else_moves_the_region_while_it_is_verified() -> None:
    """What a person wrote over ours is neither verified nor undone."""
    world = await up()
    world.ill_with.add(VENDOR_URL)
    world.dies(GITHUB_URL)
    await world.minutes(17)
    assert world.written == ["west"]
    world.edit("west", WEBSITE_RUN_FROM_PACKAGE=ONE_URL)
    await world.minutes(30)
    assert world.url("west") == ONE_URL
    assert world.written == ["west"]
    await world.tidy()


async def test_a_change_waits_for_a_host_that_has_just_come_back() -> None:
    """Its last check was good, and that is said where the last problem would stand."""
    world = await up(rotate=False)
    world.dies(GITHUB_URL)
    await world.minutes(17)
    world.lives(GITHUB_URL)
    world.edit("east", K=val("new"))
    await world.ring()
    await world.minutes(10)
    assert "is down (its last check was good, and few before it); " in (await world.rollout()).reason
    await world.minutes(30)
    assert world.has("west", "K") == val("new")
    await world.tidy()


async def test_no_settings_are_written_to_a_region_without_a_package() -> None:
    """A write would restart it: the change waits, with the reason, until the region has another host."""
    world = await up(rotate=False)
    world.dies(GITHUB_URL)
    await world.minutes(17)
    world.edit("east", K=val("new"))
    await world.ring()
    await world.minutes(10)
    assert world.has("west", "K") == val()
    assert (
        "west would be restarted without its package: github (prod, windows) is down"
        in (await world.rollout()).reason
    )
    await world.order(Work.ROTATE, "west")
    await errors_aside(world, 20)
    assert world.url("west") == VENDOR_URL
    assert world.has("west", "K") == val("new")
    assert (await world.rollout()).flight is None
    await world.tidy()


async def test_one_permit_for_rotations_and_rollouts() -> None:
    """While a settings change is being verified a rotation waits: one disruption of a group at a time."""
    world = await up()
    world.edit("east", K=val("new"))
    while (await world.rollout()).state is not RolloutState.VERIFYING:
        await world.minute()
    await world.order(Work.ROTATE, "west", forced=True, reason="a trial")
    assert world.url("west") == GITHUB_URL
    assert "being disturbed (settings-write)" in (await world.tended()).reason
    await errors_aside(world, 20)
    assert world.url("west") == VENDOR_URL
    await world.tidy()


@pytest.mark.parametrize("error", [Denied("no"), Throttled("wait"), NotFound("gone")])
async def test_a_write_that_was_refused(error: AppError) -> None:
    """Nothing took effect: the claim is given back at once, and tried again later."""
    world = await up()
    fails = [error]

    def refuse(_site: str) -> None:
        if fails:
            raise fails.pop()

    world.app.before_put = refuse
    world.dies(GITHUB_URL)
    await errors_aside(world, 30)
    assert world.url("west") == VENDOR_URL
    await world.tidy()


@pytest.mark.parametrize("effect", [False, True])
async def test_a_write_of_unknown_outcome(effect: bool) -> None:  # noqa: FBT001 -- a table
    """The answer was lost: the region itself shows whether it was written, and it is seen through either way."""
    world = await up()
    fails = [Unavailable("no answer within 60 s")]

    def lose(_site: str) -> None:
        if fails:
            raise fails.pop()

    if effect:
        world.app.after_put = lose
    else:
        world.app.before_put = lose
    world.dies(GITHUB_URL)
    await errors_aside(world, 40)
    assert world.url("west") == VENDOR_URL
    assert len(world.written) == 1
    await world.tidy()


QUICK: dict[str, Any] = {"check_every": 60.0, "soak": 60.0, "verify_deadline": 120.0}


async def dying(effects: Effects | None) -> Hosted:
    """A custom URL's host has died, and nothing was done yet: the rotation from there has the most effects."""
    world = await up({"west": ONE_URL, "east": VENDOR_URL}, twins=OWN, **QUICK)
    world.dies(ONE_URL)
    while HostState.DOWN not in (await world.watched()).values():
        await world.watch_only()
    world.effects = effects or Effects()
    return world


async def rotation(effects: Effects | None = None) -> Hosted:
    """The region is moved. A killed process is followed by another one."""
    world = await dying(effects)
    await killed_aside(world, 10)
    return world


async def undone(effects: Effects | None = None) -> Hosted:
    """The region is moved, does not come back, and gets its old URL when that host answers again."""
    world = await dying(effects)
    world.ill_with.add(TWO_URL)
    await killed_aside(world, 6)
    world.lives(ONE_URL)
    await killed_aside(world, 12)
    return world


async def restarts(effects: Effects | None = None) -> Hosted:
    """An ordered restart of both regions."""
    world = await up(**QUICK)
    world.effects = effects or Effects()
    try:
        await world.order(Work.RESTART)
    except Killed:
        row = await world.tended()
        if row.order is None and row.flight is None:
            await world.order(Work.RESTART)  # the person saw an error, and asks again
    await killed_aside(world, 12)
    return world


@pytest.mark.parametrize("after", [False, True])
async def test_killed_at_any_effect_of_a_rotation(after: bool) -> None:  # noqa: FBT001 -- a table
    """Whenever the process dies, the next one ends it: the region is moved, nothing is left lying about."""
    for number in points(await rotation()):
        world = await rotation(Effects(kill_at=number, after=after))
        assert world.url("west") == TWO_URL, number
        await world.tidy()


@pytest.mark.parametrize("after", [False, True])
async def test_killed_at_any_effect_of_an_undoing(after: bool) -> None:  # noqa: FBT001 -- a table
    """Whenever the process dies, the region has its old URL in the end."""
    for number in points(await undone()):
        world = await undone(Effects(kill_at=number, after=after))
        assert world.url("west") == ONE_URL, number
        assert world.probes.results[host("west")] == 200
        await world.tidy()


@pytest.mark.parametrize("after", [False, True])
async def test_killed_at_any_effect_of_a_restart(after: bool) -> None:  # noqa: FBT001 -- a table
    """Whenever the process dies, both regions are restarted in the end, one at a time."""
    for number in points(await restarts()):
        world = await restarts(Effects(kill_at=number, after=after))
        assert {site for site, _ in world.app.restarts} == {site_id("west"), site_id("east")}, number
        row = await world.tended()
        assert row.order is None
        await world.tidy()


# -- the ordered restart ------------------------------------------------------------------------------------------


async def test_an_ordered_restart_takes_one_region_after_the_other() -> None:
    """The second region is restarted when the first has been well for the soak; then the order is done."""
    world = await up()
    await world.order(Work.RESTART, reason="one version again")
    assert [site for site, _ in world.app.restarts] == [site_id("west")]
    with pytest.raises(IllegalTransition):
        await world.order(Work.RESTART)
    await world.minutes(2)
    assert len(world.app.restarts) == 1
    await world.minutes(10)
    assert [site for site, _ in world.app.restarts] == [site_id("west"), site_id("east")]
    assert all(permit.kind == "restart" for _, permit in world.app.restarts)
    row = await world.tended()
    assert row.outcome is not None
    assert row.outcome.well
    assert world.written == []
    await world.tidy()


async def test_a_restart_stops_at_a_region_that_does_not_come_back() -> None:
    """The first region stays ill: the second one is not restarted, and the order is over."""
    world = await up()
    world.ill_with.add(GITHUB_URL)
    await world.order(Work.RESTART)
    await world.minutes(30)
    assert len(world.app.restarts) == 1
    row = await world.tended()
    assert row.outcome is not None
    assert not row.outcome.well
    assert "no other region is restarted" in row.outcome.reason
    await world.tidy()


async def test_no_restart_while_the_package_cannot_be_had() -> None:
    """Its host is down: a restart would take the region down, so it is refused, by a look of that moment."""
    world = await up()
    world.dies(GITHUB_URL)
    await world.order(Work.RESTART)
    await world.minutes(2)
    assert world.app.restarts == []
    row = await world.tended()
    assert row.outcome is not None
    assert OUTAGE in row.outcome.reason
    await world.tidy()


async def test_a_restart_waits_for_its_permit_but_not_for_ever() -> None:
    """The other region is ill: nothing is restarted, and after two hours the order is over."""
    world = await up()
    world.sick("east")
    await world.order(Work.RESTART, "west")
    await world.minutes(30)
    assert world.app.restarts == []
    assert (await world.tended()).order is not None
    for _ in range(10):
        await world.minute(seconds=600)
    row = await world.tended()
    assert row.order is None
    assert row.outcome is not None
    assert "not done in time" in row.outcome.reason


async def test_orders_that_make_no_sense() -> None:
    """A region that there is not."""
    world = await up()
    with pytest.raises(NotFound, match="mars is no region"):
        await world.order(Work.RESTART, "mars")


# -- what the regions run -----------------------------------------------------------------------------------------


async def test_version_skew_by_home_page() -> None:
    """Home pages tell different versions for more than 24 hours: severity 3, with the order that mends it."""
    world = await up()
    world.pages.versions = {host("west"): "3.1.1", host("east"): "3.1.2"}
    tended = await world.minutes(40)
    assert tended.row.skew_since is not None
    assert tended.findings == ()
    for _ in range(24):
        tended_or_none = await world.minute(seconds=3600)
    assert tended_or_none is not None
    (finding,) = tended_or_none.findings
    assert (finding.kind, finding.severity) == ("version-skew", 3)
    assert "west: version 3.1.1, east: version 3.1.2" in finding.text
    assert finding.way_out == "counterpart package restart --ordered --reason TEXT"
    assert world.app.restarts == [], "never unasked"
    world.pages.versions[host("west")] = "3.1.2"
    tended_or_none = await world.minute(seconds=3600)
    assert tended_or_none is not None
    assert tended_or_none.findings == ()


async def test_what_a_restart_brought_is_recorded() -> None:
    """Where no home page tells a version, the package that the host had at the last seen restart counts."""
    world = await up()
    world.clock.advance(10)
    await world.restarted("west")
    use = (await world.tended()).use("west")
    assert use is not None
    assert use.running.package == A_PACKAGE
    assert use.running.package_at == world.clock.now()
    for url in (GITHUB_URL, VENDOR_URL):
        world.lives(url, a_package("b"))
    await world.minutes(60)
    await world.restarted("east")
    assert (await world.tended()).skew_since == world.clock.now()


async def test_a_home_page_is_not_asked_every_minute() -> None:
    """Twice an hour is enough; it is a page for people."""
    world = await up()
    world.pages.asked.clear()
    await world.minutes(60)
    assert len(world.pages.asked) == 2 * 2


async def test_findings_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """A finding is logged when it comes, not at every round."""
    caplog.set_level(logging.WARNING)
    world = await up({"west": DEFERRED_URL, "east": VENDOR_URL})
    world.dies(DEFERRED_URL)
    await world.minutes(60)
    said = [record for record in caplog.records if "severity 2" in record.getMessage()]
    assert len(said) == 1


async def test_a_host_that_the_vendor_shut_down() -> None:
    """Found, told, and moved when a person says so."""
    old = "https://github.com/glueckkanja/gk-scepman/raw/master/dist/Artifacts.zip"
    world = Hosted({"west": old, "east": VENDOR_URL})
    world.packages.lying[old] = "it answers a redirect (302), which App Service may not follow"
    tended = await world.minutes(60)
    assert {finding.kind for finding in tended.findings} >= {"retired-host", "rotation-held"}
    assert world.written == []
    await world.order(Work.ROTATE, "west", forced=True, reason="it is gone for good")
    await world.minutes(10)
    assert world.url("west") == GITHUB_URL
    await world.tidy()


# -- helpers ------------------------------------------------------------------------------------------------------


def points(world: Hosted) -> list[int]:
    """The effects of a story, by number, that are this slice's own."""
    others = ("put watched/", "put settings-sync/")
    return [number for number, name in enumerate(world.effects.names, start=1) if not name.startswith(others)]


async def errors_aside(world: Hosted, minutes: int) -> None:
    """Minutes; the errors of single rounds are passed over, as the timer does."""
    for _ in range(minutes):
        try:
            await world.minute()
        except AppError:
            continue


async def killed_aside(world: Hosted, minutes: int) -> None:
    """Minutes; a process that is killed is followed by the next one."""
    for _ in range(minutes):
        try:
            await world.minute()
        except (AppError, Killed):
            continue


def no_leak(world: Hosted, caplog: pytest.LogCaptureFixture) -> None:
    """No row and no log line has a signature."""
    for key, stored in world.store.rows.items():
        assert SECRET.encode() not in stored.row.body, key
    formatter = logging.Formatter()
    assert not [
        record for record in caplog.records if SECRET in f"{formatter.format(record)} {record.args!r}"
    ]
