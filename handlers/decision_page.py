"""When somebody opens a decision that waits, we show what is held, why, and the commands that settle it.

Changes nothing: deciding is a command or a POST, never a link. When the plan is another one by now, that is said and
the present one is shown. Shows key names and fingerprints, never a setting's value.
"""

from handlers._edge import Answer, Asked
from shared.ports import Ports
from shared.reconcile import workflow as reconcile
from shared.settings import Settings
from shared.settings_sync.page import decision_page
from shared.settings_sync.render import rollout_facts


async def handle(asked: Asked, *, ports: Ports, settings: Settings) -> Answer:
    """The plan of the group in the id, and whether it is the one that the id names."""
    group, rollout, fingerprint = await reconcile.decision(asked.params.get("id", ""), ports, settings)
    facts = rollout_facts(group, rollout)
    shown = decision_page(group, rollout, fingerprint)
    return Answer(200, {"asked_for": fingerprint, **facts}, shown)
