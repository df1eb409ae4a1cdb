"""When somebody asks whether Counterpart is well, we say whether it is configured and reaches its store.

Never says more to an anonymous caller than that, and which settings are wrong. Changes nothing.
"""

from handlers._edge import Answer, Asked
from shared.ports import Ports
from shared.settings import Settings
from shared.store import key


async def handle(asked: Asked, *, ports: Ports, settings: Settings) -> Answer:
    """Read one row that need not exist: an error is turned into 503 at the edge."""
    del asked, settings
    await ports.store.get(key("health", "check"))
    return Answer(200, {"status": "ok", "store": "ok"})
