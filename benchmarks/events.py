"""Event intake: a hundred thousand events, most of them old news or about sites of others."""

import asyncio
import contextlib
import itertools
import json
import logging
import time
import tracemalloc
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import datetime, timedelta

import msgspec

from benchmarks.in_memory import Azure, Hands, Rows, ports_of, settings_of, site_id
from benchmarks.measure import Figure
from handlers import app_service_changed
from handlers._edge import settle
from shared.reconcile import workflow as reconcile

EVENTS, GROUPS = 100_000, 10
AT_ONCE = 50  # events that are handled at the same time
WARM = 10_000  # events after which memory must be flat
GROWTH = 1.0  # MiB that may be added by the others
# Of a thousand: others' sites, ours looked at long ago, restarts of ours, what cannot be read, and new changes.
MIX = (("others", 700), ("repeats", 250), ("restarts", 29), ("strange", 20), ("changes", 1))
ARM_CALLS, STORE_CALLS = 10.0, 2_000.0  # for a thousand events
_NUMBERS = itertools.count(1)


async def intake() -> list[Figure]:
    """Handle them all; count what they cost, and compare with nothing but decoding the same texts."""
    hands, store = Hands(), Rows()
    azure = Azure(GROUPS, hands)
    ports, settings = ports_of(azure, store, hands), settings_of()
    logging.disable(logging.CRITICAL)
    try:
        await reconcile.run_all(ports, settings)
        hands.time += timedelta(minutes=10)
        store.asked.clear()
        azure.calls.clear()

        async def take(event: str) -> None:
            await settle(app_service_changed.handle, event, lambda: (ports, settings))

        growth = await _growth(hands, take)
        events = list(itertools.islice(_events(hands.time), EVENTS - WARM))
        began = time.process_time()
        await _all(events, hands, take)
        took = time.process_time() - began
    finally:
        logging.disable(logging.NOTSET)
    bare = _bare(events)
    calls: Counter[str] = azure.calls
    arm = sum(number for name, number in calls.items() if name not in {"probe", "proof"})
    thousands = (EVENTS + WARM) / 1000
    return [
        Figure("events.ratio-to-bare-decoding", round(took / bare, 1), "ratio"),
        Figure("events.per-second-and-core", round(len(events) / took, -2), "events"),
        Figure("events.arm-calls-per-thousand", round(arm / thousands, 2), "calls", ARM_CALLS),
        Figure("events.probes-per-thousand", round(calls["probe"] / thousands, 2), "probes"),
        Figure(
            "events.store-calls-per-thousand", round(store.asked.total() / thousands), "calls", STORE_CALLS
        ),
        Figure("events.memory-growth", round(growth, 2), "MiB", GROWTH),
    ]


async def _growth(hands: Hands, take: Callable[[str], Awaitable[None]]) -> float:
    """MiB that are held after as many events again as were taken to warm up."""
    tracemalloc.start()
    await _all(list(itertools.islice(_events(hands.time), WARM)), hands, take)
    before, _ = tracemalloc.get_traced_memory()
    await _all(list(itertools.islice(_events(hands.time), WARM)), hands, take)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (after - before) / 1024 / 1024


async def _all(events: Sequence[str], hands: Hands, take: Callable[[str], Awaitable[None]]) -> None:
    """A thousand a second, so many at once."""
    for batch in itertools.batched(events, AT_ONCE, strict=False):
        hands.time += timedelta(seconds=len(batch) / 1000)
        await asyncio.gather(*(take(name) for name in batch))


def _bare(events: Sequence[str]) -> float:
    """Seconds to decode the same texts, and nothing else."""
    began = time.process_time()
    for event in events:
        with contextlib.suppress(msgspec.DecodeError):
            msgspec.json.decode(event)
    return time.process_time() - began


def _events(now: datetime) -> Iterator[str]:
    """The mixture, shuffled the same way each time."""
    kinds = [name for name, count in MIX for _ in range(count)]
    for number in itertools.count():
        yield _event(kinds[number * 389 % 1000], number, now)


def _event(kind: str, number: int, now: datetime) -> str:
    ours = site_id(number % GROUPS, "weu")
    match kind:
        case "others":
            return _said(site_id(90_000 + number % 5_000, "weu"), "ChangedAppSettings", now)
        case "repeats":
            return _said(ours, "ChangedAppSettings", now - timedelta(hours=1))
        case "restarts":
            return _said(ours, "Restarted", now)
        case "strange":
            return '{"id": "1", "data": [' + "[" * (number % 100)
        case _:
            return _said(ours, "ChangedAppSettings", now)


def _said(site: str, action: str, at: datetime) -> str:
    """As Event Grid delivers it."""
    return json.dumps(
        {
            "id": f"00000000-0000-0000-0000-{next(_NUMBERS):012}",
            "topic": site,
            "subject": f"/Microsoft.Web/sites/{site.rsplit('/', 1)[-1]}",
            "eventType": "Microsoft.Web.AppUpdated",
            "eventTime": at.isoformat().replace("+00:00", "Z"),
            "data": {
                "appEventTypeDetail": {"action": action},
                "siteName": site.rsplit("/", 1)[-1],
                "clientRequestId": "None",
                "verb": "PUT",
            },
            "dataVersion": "1",
            "metaDataVersion": "1",
        }
    )
