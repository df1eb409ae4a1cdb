"""When the timer has handed out a group's round, we run it: the same round, on whichever instance takes the message.

Never acts on a message that is late, or about a group that this configuration does not watch: the next tick hands out
another one. Safe to repeat because a round finds what is so and does what is missing. A message that cannot be read
is acknowledged and logged; a round that fails as foreseen is the next tick's; what nobody foresaw rises, is tried
once more, set aside by the platform, and then told to people by the timer.
"""

from shared.fleet import parse
from shared.ports import Ports
from shared.reconcile import workflow as reconcile
from shared.settings import Settings


async def handle(message: str, *, ports: Ports, settings: Settings) -> None:
    """Run one round for the group in the message."""
    await reconcile.run_errand(parse(message), ports, settings)
