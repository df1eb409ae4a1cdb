"""When somebody asks how a drill goes, we tell: its state, its measures so far, its samples.

Changes nothing.
"""

from handlers._edge import Answer, Asked
from shared.drills.report import drill_facts
from shared.drills.workflow import find, recoveries
from shared.ports import Ports
from shared.settings import Settings


async def handle(asked: Asked, *, ports: Ports, settings: Settings) -> Answer:
    """The drill of the id in the route."""
    del settings
    drill = await find(asked.params.get("id", ""), ports.store)
    return Answer(200, drill_facts(drill, await recoveries(drill, ports.store), samples=True))
