"""When somebody opens a decision that waits, we show what is held, why, and the commands that settle it.

Changes nothing: deciding is a command or a POST, never a link. When the plan is another one by now, that is said and
the present one is shown. Shows key names and fingerprints, never a setting's value.
"""

from handlers._edge import Answer, Asked
from shared.ports import Ports
from shared.reconcile import workflow as reconcile
from shared.reconcile.summary import advice_for
from shared.settings import Settings
from shared.settings_sync.page import decision_page
from shared.settings_sync.render import advice_facts, rollout_facts


async def handle(asked: Asked, *, ports: Ports, settings: Settings) -> Answer:
    """The plan of the group in the id, and whether it is the one that the id names."""
    group, rollout, fingerprint = await reconcile.decision(asked.params.get("id", ""), ports, settings)
    advice = await advice_for(group, rollout, ports)
    shown = decision_page(group, rollout, fingerprint, advice)
    return Answer(
        200, {"asked_for": fingerprint, **rollout_facts(group, rollout), **advice_facts(advice)}, shown
    )
