"""When the timer fires, we run one round for every group, then send what is due to be told.

First of all, regions that a drill has out for too long are given back, whatever else is so. With more groups than
`COUNTERPART_INLINE_GROUPS` the rounds are handed out, one queue message for each group, and
`reconcile_group` runs them; what was set aside there is told to people here. Of two deployments over one store only
the one that holds the lease does so. Never reads a converged group's settings
unless its sweep is due. Safe to repeat because a round finds what is so and does what is missing; one group's trouble
does not stop the others.
"""

import logging

from shared.errors import Conflict
from shared.ports import Ports
from shared.reconcile import drills, incidents, lease
from shared.reconcile import workflow as reconcile
from shared.settings import Settings

log = logging.getLogger(__name__)


async def handle(timer: str, *, ports: Ports, settings: Settings) -> None:
    """Run one round for every group. `timer` is the host's note, in which only lateness would matter."""
    del timer
    try:
        await _turn(ports, settings)
    finally:
        await reconcile.tell_wrong_clock(ports)


async def _turn(ports: Ports, settings: Settings) -> None:
    if settings.instance and not await _is_on_duty(ports, settings):
        return
    rounds = await reconcile.run_all(ports, settings)
    if settings.instance and rounds and all(isinstance(it, reconcile.Failure) for it in rounds):
        await lease.give_up(ports.store, settings.instance, ports.clock.now())
    await incidents.tell(ports, settings)
    await drills.tidy(ports, settings)
    failed = [it.group for it in rounds if isinstance(it, reconcile.Failure)]
    handed_out = sum(isinstance(it, reconcile.HandedOut) for it in rounds)
    log.info(
        "groups looked at: %d, failed: %d, handed out: %d",
        *(len(rounds) - handed_out, len(failed), handed_out),
    )


async def _is_on_duty(ports: Ports, settings: Settings) -> bool:
    """Whether this deployment holds the lease; the other one works while it does not."""
    try:
        held = await lease.take(ports.store, settings.instance, ports.clock.now())
    except Conflict:
        log.info("standing by: others are at the lease")
        return False
    if held.holder != settings.instance:
        log.info("standing by: %s is at work until %s UTC", held.holder, f"{held.until:%H:%M:%S}")
    return held.holder == settings.instance
