"""The timer's turn: one round for every group, then what is due to be told. Whoever takes it does all of it.

A trigger that finds the timer overdue takes its turn: all of it, for every group, once a minute at most.
"""

import logging

from shared.errors import AppError, Conflict
from shared.ports import Ports
from shared.reconcile import drills, incidents, lease
from shared.reconcile import workflow as reconcile
from shared.settings import Settings

log = logging.getLogger(__name__)


async def fired(ports: Ports) -> None:
    """Write down that the timer fired. That it cannot be written stops nothing."""
    try:
        await ports.pulse.fired(ports.store, ports.clock.now())
    except AppError as error:
        log.warning("that the timer fired was not written down: %s", error)


async def stand_in(ports: Ports, settings: Settings) -> None:
    """Take the timer's turn if it is overdue. Raises nothing: whatever fails is another trigger's to try."""
    try:
        if why := await ports.pulse.claim(ports.store, ports.clock.now()):
            log.error("%s; its turn is taken by another trigger", why)
            await take(ports, settings)
    except AppError as error:
        log.warning("the timer's turn was not taken in its place: %s", error)
    except Exception:
        log.exception("the timer's turn failed in its place, which nobody foresaw")


async def take(ports: Ports, settings: Settings) -> None:
    """The turn; people are told when our clock is wrong."""
    try:
        await _turn(ports, settings)
    finally:
        await reconcile.tell_wrong_clock(ports)


async def _turn(ports: Ports, settings: Settings) -> None:
    if settings.instance and not await _is_on_duty(ports, settings):
        return
    rounds = await reconcile.run_all(ports, settings)
    if settings.instance and rounds and all(isinstance(item, reconcile.Failure) for item in rounds):
        await lease.give_up(ports.store, settings.instance, ports.clock.now())
    await incidents.tell(ports, settings)
    await drills.tidy(ports, settings)
    failed = [item.group for item in rounds if isinstance(item, reconcile.Failure)]
    handed_out = sum(isinstance(item, reconcile.HandedOut) for item in rounds)
    log.info(
        "groups looked at: %d, failed: %d, handed out: %d",
        *(len(rounds) - handed_out, len(failed), handed_out),
    )


async def _is_on_duty(ports: Ports, settings: Settings) -> bool:
    """Return whether this deployment holds the lease; the other one works while it does not."""
    try:
        held = await lease.take(ports.store, settings.instance, ports.clock.now())
    except Conflict:
        log.info("standing by: others are at the lease")
        return False
    if held.holder != settings.instance:
        log.info("standing by: %s is at work until %s UTC", held.holder, f"{held.until:%H:%M:%S}")
    return held.holder == settings.instance
