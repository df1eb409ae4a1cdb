"""When somebody asks for a drill's report, we give it as JSON, as Markdown, or as a page, as `Accept` wants it.

Changes nothing. A drill that is not over has a report of what is known so far.
"""

from handlers._edge import Answer, Asked
from shared.drills.report import drill_facts, markdown, page
from shared.drills.workflow import find, recoveries
from shared.ports import Ports
from shared.settings import Settings


async def handle(asked: Asked, *, ports: Ports, settings: Settings) -> Answer:
    """The drill of the id in the route."""
    del settings
    drill = await find(asked.params.get("id", ""), ports.store)
    earlier = await recoveries(drill, ports.store)
    facts = drill_facts(drill, earlier, samples=True)
    return Answer(200, facts, page=page(drill, earlier), markdown=markdown(drill, earlier))
