"""When the timer fires, we run one round for every group, then send what is due to be told.

First of all, regions that a drill has out for too long are given back, whatever else is so. With more groups than
`COUNTERPART_INLINE_GROUPS` the rounds are handed out, one queue message for each group, and
`reconcile_group` runs them; what was set aside there is told to people here. Of two deployments over one store only
the one that holds the lease does so. Never reads a converged group's settings
unless its sweep is due. Safe to repeat because a round finds what is so and does what is missing; one group's trouble
does not stop the others.
"""

from shared.ports import Ports
from shared.reconcile import turn
from shared.settings import Settings


async def handle(timer: str, *, ports: Ports, settings: Settings) -> None:
    """Run one round for every group. `timer` is the host's note, in which only lateness would matter."""
    del timer
    await turn.take(ports, settings)
