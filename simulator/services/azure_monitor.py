"""Azure Monitor: the metric alert rules on Traffic Manager's endpoints, and the action group that tells of them.

The metric is 1 while an endpoint is Online and 0 while it is Degraded, sampled as often as Traffic Manager probes.
It is seen half a minute late; every minute each rule looks at one minute of it. The action group posts the alert, in
the shape that the rule names, to every URL in `Premises.alert_webhooks`. `World.speed` shortens all of it but the
time for an answer.

Not imitated: other metrics and kinds of rules, how a dynamic threshold is found, other receivers than webhooks, the
token of a secure webhook. What the metric says of endpoints that are not probed is documented nowhere: here it says
nothing.
"""

import asyncio
import contextlib
import json
import uuid
from collections import deque
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import aiohttp

from simulator.alerts import (
    MUTED,
    WAITS,
    AlertRule,
    AlertState,
    Told,
    checked,
    mean,
    next_wait,
    payload,
)
from simulator.calls import post
from simulator.listeners import stopped
from simulator.premises import Premises
from simulator.services.event_grid import seven_digits
from simulator.world import ProfileState, World

MINUTE = 60.0  # seconds: how often rules are checked, and of how much
LATE = 30.0  # seconds until a sample can be seen
ANSWER_DEADLINE = 10.0  # seconds, not shortened
LEAST_WAIT = 0.02  # seconds between two samples, however fast the world
JSON = {"Content-Type": "application/json; charset=utf-8"}
SAID = {"Online": 1.0, "Degraded": 0.0}

type Subject = tuple[str, str]  # a rule's name, and an endpoint's; empty: the whole profile


@dataclass
class Monitor:
    """The rules' eyes and memory, and the calls under way."""

    cloud: Premises
    session: aiohttp.ClientSession
    states: dict[Subject, AlertState] = field(default_factory=dict)
    _samples: dict[tuple[str, str], deque[tuple[float, float]]] = field(default_factory=dict)
    _muted: dict[str, float] = field(default_factory=dict)  # webhook -> until, the world's clock
    _calls: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def _world(self) -> World:
        return self.cloud.world

    async def run(self) -> None:
        """Until cancelled: sample, and check every minute."""
        due = self._world.now() + MINUTE / self._world.speed
        try:
            while True:
                self._sample()
                if self._world.now() >= due:
                    self.check()
                    due = self._world.now() + MINUTE / self._world.speed
                await asyncio.sleep(self._pause())
        finally:
            await stopped(*self._calls)

    def _pause(self) -> float:
        shortest = min((profile.interval for profile in self._world.profiles.values()), default=MINUTE)
        return max(LEAST_WAIT, shortest / self._world.speed)

    def _sample(self) -> None:
        now = self._world.now()
        forget = now - (LATE + 2 * MINUTE) / self._world.speed
        for profile in tuple(self._world.profiles.values()):
            for endpoint in profile.endpoints:
                value = SAID.get(self._world.monitor_status(profile, endpoint))
                kept = self._samples.setdefault((profile.name, endpoint.name), deque())
                if value is not None:
                    kept.append((now, value))
                while kept and kept[0][0] < forget:
                    kept.popleft()

    def check(self) -> None:
        """Check every rule once."""
        for rule in tuple(self._world.alert_rules):
            profile = self._world.profiles.get(rule.profile)
            if profile is not None and rule.enabled:
                self._check(rule, profile)

    def _check(self, rule: AlertRule, profile: ProfileState) -> None:
        now, speed = self._world.now(), self._world.speed
        end = now - LATE / speed
        begin = end - MINUTE / speed
        for name, samples in self._series(rule, profile):
            average = mean([value for at, value in samples if begin < at <= end])
            before = self.states.get((rule.name, name), AlertState())
            after, said = checked(before, average, rule, now=now, new_id=str(uuid.uuid4()))
            self.states[rule.name, name] = after
            if said is None or average is None:
                continue
            self._world.note(f"alert-{said.lower()}", profile.name, "azure monitor", name or "the profile")
            its = after if after.id else before
            told = Told(
                rule=rule,
                profile_id=profile.id,
                subscription=profile.subscription,
                alert=its.id,
                endpoint=name,
                condition=said,
                average=average,
                fired_at=seven_digits(its.fired_at),
                resolved_at=seven_digits(now) if said == "Resolved" else "",
                window=(seven_digits(begin), seven_digits(end)),
            )
            self._call_all(profile.name, told)

    def _series(
        self, rule: AlertRule, profile: ProfileState
    ) -> Iterator[tuple[str, list[tuple[float, float]]]]:
        """The samples that the rule looks at: each endpoint's, or all together under no name."""
        its = {
            endpoint.name: list(self._samples.get((profile.name, endpoint.name), ()))
            for endpoint in profile.endpoints
        }
        if rule.split:
            yield from its.items()
        else:
            yield "", [sample for samples in its.values() for sample in samples]

    def _call_all(self, profile: str, told: Told) -> None:
        body = json.dumps(payload(told)).encode()
        for url in tuple(self.cloud.alert_webhooks):
            task = asyncio.get_running_loop().create_task(self._call(url, body, profile, told))
            self._calls.add(task)
            task.add_done_callback(self._calls.discard)

    async def _call(self, url: str, body: bytes, profile: str, told: Told) -> None:
        """Call one webhook, again where the rules of action groups say so."""
        what = f"{told.endpoint or 'the profile'} {told.condition}"
        if self._world.now() < self._muted.get(url, 0.0):
            self._world.note(
                "alert-dropped", profile, "azure monitor", f"{what} not called: it failed lately"
            )
            return
        tries = 0
        while True:
            status = await post(self.session, url, body, JSON, within=ANSWER_DEADLINE)
            tries += 1
            said = f"{what} {status or 'no answer'}"
            if status is not None and 200 <= status < 300:
                self._world.note("alert-delivered", profile, "azure monitor", said)
                return
            wait = next_wait(tries, status)
            if wait is None:
                self._world.note("alert-dropped", profile, "azure monitor", said)
                if tries > len(WAITS):
                    self._muted[url] = self._world.now() + MUTED / self._world.speed
                return
            self._world.note("alert-failed", profile, "azure monitor", said)
            await asyncio.sleep(wait / self._world.speed)


@contextlib.asynccontextmanager
async def serve(cloud: Premises) -> AsyncIterator[None]:
    """Watch and tell until the context ends."""
    connector = aiohttp.TCPConnector(ssl=cloud.authority.client_context(), limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        watching = asyncio.create_task(Monitor(cloud, session).run())
        try:
            yield
        finally:
            await stopped(watching)
