"""When somebody asks which drills there were and are, we list them, the newest first.

Changes nothing. `?group=` shows one group's; practice runs that were skipped come with their reasons.
"""

from handlers._edge import Answer, Asked
from shared.drills.report import drill_facts, skipped_facts
from shared.drills.workflow import list_drills, list_slots
from shared.ports import Ports
from shared.settings import Settings

MOST = 200


async def handle(asked: Asked, *, ports: Ports, settings: Settings) -> Answer:
    """Those of the group in the query, or all."""
    del settings
    group = asked.query.get("group", "").lower()
    found = [drill for drill in await list_drills(ports.store) if not group or drill.group.lower() == group]
    slots = [slot for slot in await list_slots(ports.store) if not group or slot.group.lower() == group]
    return Answer(
        200, {"drills": [drill_facts(drill) for drill in found[:MOST]], "skipped": skipped_facts(slots)}
    )
