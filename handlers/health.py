"""When somebody asks whether Counterpart is well, we say whether it is configured, reaches its store and may act.

It may not act while its clock is wrong, and does not act by itself while its timer is overdue. Never says more to an
anonymous caller than that, and which settings are wrong. Changes nothing. Whatever is wrong with the store is a 503:
a monitor asks again, and nobody takes it for a fault of the request.
"""

from handlers._edge import Answer, Asked
from shared.errors import AppError, Unavailable, WrongClock
from shared.ports import Ports
from shared.pulse import heartbeat
from shared.settings import Settings


async def handle(asked: Asked, *, ports: Ports, settings: Settings) -> Answer:
    """Read one row, which says when the timer fired last: an error is turned into 503 at the edge."""
    del asked, settings
    try:
        beat = await heartbeat(ports.store)
    except AppError as error:
        raise Unavailable(f"the store cannot be read: {error}") from error
    if ports.wrong_clock:
        raise WrongClock(ports.wrong_clock)
    if beat is not None and (why := beat.overdue(ports.clock.now())):
        raise Unavailable(why)
    return Answer(200, {"status": "ok", "store": "ok"})
