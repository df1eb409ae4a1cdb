"""One round over a group, and finding the group that a signal names."""

import asyncio
import logging
from collections.abc import Mapping
from functools import partial

import msgspec

from shared.errors import AppError, Conflict, NotFound
from shared.groups.discover import site_ids
from shared.groups.model import Group, Health, Profile
from shared.groups.workflow import assemble, discover, observe
from shared.ports import Ports
from shared.settings import Settings
from shared.settings_sync import ask, workflow
from shared.settings_sync.model import Decision, Rollout
from shared.store import ATTEMPTS

log = logging.getLogger(__name__)

AT_ONCE = 10  # groups that one wake-up works on at the same time
REGIONS = 2  # fewer have nothing to keep in step


class Round(msgspec.Struct, frozen=True):
    """What one round found: the group, its regions' health, and where its settings are."""

    group: Group
    health: Mapping[str, Health]
    rollout: Rollout | None
    note: str = ""  # why settings were left alone


class Failure(msgspec.Struct, frozen=True):
    """A group whose round ended in an error; the next wake-up tries again."""

    group: str
    error: AppError


async def run(profile: Profile, ports: Ports, settings: Settings, *, doorbell: bool) -> Round:
    """One round. `doorbell` says that somebody rang, so the settings are read whatever the row says."""
    group = await _assemble(profile, ports, settings)
    eyes = partial(
        observe, group, store=ports.store, probes=ports.probes, clock=ports.clock, looking=settings.looking
    )
    health = await eyes()
    if len(group.regions) < REGIONS:
        note = f"{group.name} has {len(group.regions)} web apps behind it: nothing to keep in step"
        return Round(group, health, None, note)
    tools = settings_tools(ports, settings)
    rollout = await workflow.read_rollout(ports.store, group.id)
    if not doorbell and not workflow.needs_look(rollout, settings.rules, ports.clock.now()):
        return Round(group, health, rollout, "nobody rang and no sweep is due")
    for again in range(ATTEMPTS, 0, -1):
        try:
            rollout = await workflow.sync(group, eyes, tools, worker=ports.ids.new())
            break
        except Conflict:
            # Another instance saved its look first; it may have looked before what we were rung for.
            if again == 1:
                raise
    return Round(group, health, rollout)


async def run_all(ports: Ports, settings: Settings) -> tuple[Round | Failure, ...]:
    """One round for every group. One group's trouble is not another's."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(profile: Profile) -> Round | Failure:
        async with gate:
            try:
                return await run(profile, ports, settings, doorbell=False)
            except AppError as error:
                log.warning("%s: this round failed: %s", profile.name, error)
                return Failure(profile.name, error)

    profiles = await discover(settings.scope, ports.profiles)
    return tuple(await asyncio.gather(*(one(it) for it in profiles)))


async def profile_of_site(site_id: str, ports: Ports, settings: Settings) -> Profile | None:
    """The group that a site belongs to, or None when it is not ours."""
    wanted = site_id.lower()
    for profile in await discover(settings.scope, ports.profiles):
        if any(it.lower() == wanted for it in site_ids(profile)):
            return profile
    return None


async def profile_named(name: str, ports: Ports, settings: Settings) -> Profile:
    """The group of that name or ARM id.

    Raises:
        NotFound: there is none, or the short name fits several.
    """
    profiles = await discover(settings.scope, ports.profiles)
    fitting = [it for it in profiles if name.lower() in {it.name.lower(), it.id.lower()}]
    if len(fitting) == 1:
        return fitting[0]
    known = ", ".join(it.id if fitting else it.name for it in fitting or profiles) or "none"
    what = f"{name} names several groups; say which" if fitting else f"there is no group {name}"
    raise NotFound(f"{what}: {known}")


async def show_plan(
    profile: Profile, ports: Ports, settings: Settings
) -> tuple[Group, Rollout, tuple[Decision, ...]]:
    """The group's plan as it would be now. Writes nothing."""
    group = await _assemble(profile, ports, settings)
    if len(group.regions) < REGIONS:
        raise NotFound(f"{group.name} has {len(group.regions)} web apps behind it: nothing to keep in step")
    rollout, decisions = await workflow.look_only(group, settings_tools(ports, settings))
    return group, rollout, decisions


async def settle(profile: Profile, asked: ask.Request, ports: Ports, settings: Settings) -> Round:
    """Take a person's word, then run a round so that it takes effect at once."""
    group = await _assemble(profile, ports, settings)
    await workflow.settle(group, asked, settings_tools(ports, settings))
    return await run(profile, ports, settings, doorbell=True)


async def _assemble(profile: Profile, ports: Ports, settings: Settings) -> Group:
    return await assemble(
        profile, store=ports.store, sites=ports.sites, clock=ports.clock, looking=settings.looking
    )


def settings_tools(ports: Ports, settings: Settings) -> workflow.Tools:
    """What settings_sync uses of the outside world and the configuration."""
    return workflow.Tools(
        store=ports.store,
        clock=ports.clock,
        reads=ports.settings_reads,
        writes=ports.settings_writes,
        copies=ports.copies,
        policy=settings.policy,
        secret=settings.secret,
        rules=settings.rules,
    )
