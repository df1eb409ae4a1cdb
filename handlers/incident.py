"""When somebody opens an incident, we show it: as JSON, or as a page to who would rather read one.

Changes nothing. Shows key names, fingerprints and evidence, never a setting's value.
"""

from handlers._edge import Answer, Asked
from shared.incidents.render import incident_facts, page
from shared.incidents.workflow import find
from shared.ports import Ports
from shared.settings import Settings


async def handle(asked: Asked, *, ports: Ports, settings: Settings) -> Answer:
    """The incident of the id in the route, or of which that is another name."""
    incident = await find(asked.params.get("id", ""), ports.store, settings.incidents)
    return Answer(200, incident_facts(incident), page(incident))
