"""Resource Manager's token buckets, kept on this side too: a request waits for its turn instead of being refused.

A refusal costs a request, says nothing of when the next one would be taken, and begins the wait anew for who asks too
early. What Azure answers corrects what is believed here: a header says how many are left, and a 429 for how long to
ask nothing. Other instances and programs that use the same identity are noticed by that. Writes that change something
never wait behind readings: they are few, and a permit is short.
"""

import asyncio
import re
from collections.abc import Mapping
from typing import Any, Final

from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import AsyncHTTPPolicy

from shared.adapters.failures import asked_wait, not_counted
from shared.errors import Throttled

# (how many fit, how many come back in a second), for one identity in one subscription of the public cloud (facts:
# section 5). Listing settings is a POST, and counts as a write.
RATES: Final[Mapping[str, tuple[float, float]]] = {
    "reads": (250.0, 25.0),
    "writes": (200.0, 10.0),
    "deletes": (200.0, 10.0),
}
LONGEST: Final = 60.0  # seconds that a request waits for its turn, beside its own deadline; half a round's
SPARED: Final = 0.9  # of a bucket is used: what was sent counts there a little later than here
SLOWEST: Final = 8  # a part of the rate that is always tried
RECOVERY: Final = 100

_KINDS: Final = {"GET": "reads", "HEAD": "reads", "DELETE": "deletes"}
_SUBSCRIPTION: Final = re.compile(r"/subscriptions/([^/?]+)", re.IGNORECASE)
_THROTTLED: Final = 429


class Pace:
    """The buckets of all subscriptions, for one process."""

    def __init__(self) -> None:
        self._buckets: dict[tuple[str, str], _Bucket] = {}

    def of(self, method: str, url: str) -> "_Bucket":
        """The bucket that a request takes from."""
        found = _SUBSCRIPTION.search(url)
        at = (found[1].lower() if found else "", _KINDS.get(method, "writes"))
        if at not in self._buckets:
            self._buckets[at] = _Bucket(*RATES[at[1]], f"{at[1]} of subscription {at[0]}")
        return self._buckets[at]


class _Bucket:
    """One bucket. What is left may be less than nothing: then that many wait, each for its own time."""

    def __init__(self, size: float, refill: float, name: str) -> None:
        size *= SPARED
        self._size, self._full, self._name = size, refill, name
        self._refill = refill  # less while others drink from the same bucket
        self._left, self._at = size, _now()
        self._shut_until = 0.0

    async def turn(self, *, urgent: bool) -> None:
        """Take one, and wait until it is there. Raises Throttled when that would take too long even at the full rate.

        Who waits uses what comes back, as long as it may; who is turned away at once leaves it unused.
        """
        now = self._filled()
        wait = max((1.0 - self._left) / self._refill, self._shut_until - now, 0.0)
        if max((1.0 - self._left) / self._full, self._shut_until - now) > LONGEST and not urgent:
            raise Throttled(f"Azure's limit for {self._name} is used up", retry_after=wait)
        self._left -= 1.0
        if urgent or not wait:
            return
        try:
            with not_counted():
                await asyncio.sleep(wait)
                await asyncio.sleep(max(0.0, self._shut_until - _now()))  # shut while we waited
        except BaseException:
            self._left += 1.0  # it was never sent
            raise

    def heard(self, status: int, headers: Mapping[str, str], kind: str) -> None:
        """Take in Azure's word on the bucket: how many requests are left, or to ask nothing for a while."""
        now = self._filled()
        if _is_throttled(status, headers):
            if now >= self._shut_until:  # not for each of those that were under way
                self._refill = max(self._refill / 2, self._full / SLOWEST)
            self._left = min(self._left, 0.0)
            self._shut_until = max(self._shut_until, now + (asked_wait(headers) or 1.0))
            return
        self._refill = min(self._full, self._refill + self._full / RECOVERY)
        said = headers.get(f"x-ms-ratelimit-remaining-subscription-{kind}", "")
        if said.isdecimal():
            self._left = min(self._left, float(said))

    def _filled(self) -> float:
        now = _now()
        self._left = min(self._size, self._left + (now - self._at) * self._refill)
        self._at = now
        return now


class PacePolicy(AsyncHTTPPolicy[Any, Any]):
    """Waits for a request's turn, for each of its attempts; learns from each answer."""

    def __init__(self, pace: Pace) -> None:
        super().__init__()
        self._pace = pace

    async def send(self, request: PipelineRequest[Any]) -> PipelineResponse[Any, Any]:
        """Wait, send, listen. A reading that is refused gets in line again, for as long as it may wait at all."""
        method, url = str(request.http_request.method), str(request.http_request.url)
        bucket, urgent = self._pace.of(method, url), _changes_something(method, url)
        until = _now() + LONGEST
        while True:
            await bucket.turn(urgent=urgent)
            response = await self.next.send(request)
            answer = response.http_response
            bucket.heard(answer.status_code, answer.headers, _KINDS.get(method, "writes"))
            if not _is_throttled(answer.status_code, answer.headers) or urgent or _now() >= until:
                return response


def _is_throttled(status: int, headers: Mapping[str, str]) -> bool:
    """Return whether a quota is used up. A 429 that asks for no wait is about a lock that another operation holds."""
    return status == _THROTTLED and asked_wait(headers) is not None


def _changes_something(method: str, url: str) -> bool:
    listing = method == "POST" and url.partition("?")[0].rstrip("/").endswith("/list")
    return method not in {"GET", "HEAD"} and not listing


def _now() -> float:
    return asyncio.get_running_loop().time()
