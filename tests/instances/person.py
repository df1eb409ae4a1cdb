"""The person on duty: settles what waits for a person, over HTTP, at either instance, after some thought."""

import asyncio
import random
from collections.abc import Mapping
from typing import Any

import aiohttp

from shared.errors import TransientError
from shared.groups.discover import row_name
from shared.settings_sync.model import Action, Plan, Rollout, State
from tests.instances.judge import Word
from tests.instances.pair import Pair

EXPECTED = frozenset(
    {200, 202, 404, 409, 422, 503}
)  # anything else says that something is wrong with the app


async def attend(pair: Pair, dice: random.Random) -> None:
    """For ever: look what is held or contained, think, decide about the plan that was seen."""
    while True:
        await asyncio.sleep(0.5)
        try:
            row = await pair.rollout()
        except TransientError:
            continue  # the store is not there just now
        waits = row is not None and row.flight is None and row.state in {State.HELD, State.CONTAINED}
        if row is not None and waits and row.plan is not None and row.plan.decisions:
            page = f"/api/decisions/{row_name(pair.profile.id)}.{row.plan.fingerprint}"
            await ask(pair, "GET", page, dice)
            await asyncio.sleep(dice.uniform(0.5, 2))
            await _decide(pair, row, row.plan, dice)


async def _decide(pair: Pair, row: Rollout, plan: Plan, dice: random.Random) -> None:
    """What waits is put back, taken from one side, or let through."""
    conflicts = [decision for decision in plan.decisions if decision.action is Action.CONFLICT]
    said: dict[str, Any] = {"group": "scepman", "fingerprint": plan.fingerprint, "reason": "on duty"}
    keys = [change.key for change in plan.changes]
    if row.state is State.CONTAINED:
        # Of what was changed in the region that is contained, and of nothing else.
        said |= {"decision": "revert"}
        overwritten = {name for name in pair.regions if f" changed in {name}, " in row.reason}
        keys = [change.key for change in plan.changes if overwritten & set(change.sources)]
    elif conflicts:
        region, keys = dice.choice(sorted(pair.regions)), [conflict.key for conflict in conflicts]
        said |= {"decision": "take", "region": region, "keys": keys}
        overwritten = set(pair.regions) - {region}
    else:
        said |= {"decision": "approve"}
        overwritten = {name for change in plan.changes for name in change.targets}
    sites = frozenset(pair.regions[name] for name in overwritten)
    pair.judge.words.append(Word(pair.cloud.world.now(), sites, frozenset(keys)))
    status, _ = await ask(pair, "POST", "/api/decisions", dice, said)
    pair.decisions += status == 200
    pair.note(f"a person: {said['decision']} {', '.join(keys)}: {status}; {row.state}: {row.reason}")


async def ask(
    pair: Pair, method: str, path: str, dice: random.Random, said: Mapping[str, Any] | None = None
) -> tuple[int, str]:
    """Ask either instance, as a browser does; its status and words, 0 when that one stands still or is gone."""
    stage = dice.choice(pair.stages)
    try:
        async with asyncio.timeout(15):
            answer = await stage.call(method, path, json=said, headers={"Accept": "text/html"})
    except (TimeoutError, aiohttp.ClientError, RuntimeError):
        return 0, "no answer"
    if answer.status not in EXPECTED:
        pair.problems.append(f"{path} answered {answer.status}")
    pair.answers.append(answer.text)
    return answer.status, answer.text
