"""Resource Manager's buckets on this side: who would be refused waits, and what Azure says counts."""

import asyncio

import pytest

from shared.adapters.app_service import AppService
from shared.adapters.pace import LONGEST, RATES, SPARED, Pace
from shared.errors import Throttled
from simulator.pair import many
from tests.contracts.simulated import simulated
from tests.fakes.loop import run

LIST = (
    "https://management.azure.com/subscriptions/one/resourceGroups/rg/providers/x/config/appsettings/list?a=b"
)
LEFT = "x-ms-ratelimit-remaining-subscription-writes"


async def times(pace: Pace, count: int, *, urgent: bool = False) -> list[float]:
    """When each of so many requests, asked at once, had its turn."""
    began = asyncio.get_running_loop().time()

    async def one() -> float:
        await pace.of("POST", LIST).turn(urgent=urgent)
        return asyncio.get_running_loop().time() - began

    return sorted(await asyncio.gather(*(one() for _ in range(count))))


def test_a_full_bucket_goes_at_once_and_the_rest_at_the_rate() -> None:
    """A bucket at once, but for what Azure may not have yet, then ten in a second, in order."""
    found = run(times(Pace(), 250))
    size, refill = RATES["writes"]
    assert max(found[: int(size * SPARED)]) < 0.5
    assert found[-1] == pytest.approx((250 - size * SPARED) / refill, abs=0.5)


def test_a_wait_that_is_too_long_is_refused_at_once() -> None:
    """Who would wait for longer than its deadline hears so now, and for how long."""

    async def work() -> None:
        asked = [times(Pace(), 1000)]
        with pytest.raises(Throttled) as caught:
            await asyncio.gather(*asked)
        assert caught.value.retry_after is not None
        assert caught.value.retry_after > LONGEST

    run(work())


def test_writes_do_not_wait_behind_readings() -> None:
    """A permit is short: what it is for goes at once, whatever else waits."""

    async def work() -> None:
        pace = Pace()
        waiting = asyncio.ensure_future(times(pace, 300))
        await asyncio.sleep(0)
        assert await times(pace, 1, urgent=True) == [pytest.approx(0, abs=0.1)]
        await waiting

    run(work())


def test_subscriptions_and_kinds_are_apart() -> None:
    """One bucket for each subscription, in any casing, and for readings and writes."""

    async def work() -> None:
        pace = Pace()
        assert pace.of("GET", "/subscriptions/a/x") is pace.of("HEAD", "/Subscriptions/A/y?z")
        assert pace.of("GET", "/subscriptions/a/x") is not pace.of("PUT", "/subscriptions/a/x")
        assert pace.of("GET", "/subscriptions/a/x") is not pace.of("GET", "/subscriptions/b/x")
        assert pace.of("DELETE", "/providers") is pace.of("DELETE", "/tenants")

    run(work())


def test_what_azure_says_is_left_counts() -> None:
    """Another instance has used the bucket: the header says so, and we wait."""

    async def work() -> None:
        pace = Pace()
        pace.of("POST", LIST).heard(200, {LEFT: "5"}, "writes")
        found = await times(pace, 25)
        assert max(found[:5]) < 0.1
        assert found[-1] == pytest.approx(2.0, abs=0.2)

    run(work())


def test_a_refusal_shuts_the_bucket() -> None:
    """Nothing is asked before the time that Azure named, by who waits already neither; then slower than before."""

    async def work() -> None:
        pace = Pace()
        bucket = pace.of("POST", LIST)
        await times(pace, 200)
        waiting = asyncio.ensure_future(times(pace, 1))
        await asyncio.sleep(0)
        bucket.heard(429, {"Retry-After": "7"}, "writes")
        bucket.heard(429, {"Retry-After": "7"}, "writes")
        assert (await times(pace, 1))[0] >= 7.0
        assert (await waiting)[0] >= 6.9
        bucket.heard(200, {LEFT: "0"}, "writes")
        assert (await times(pace, 11))[-1] == pytest.approx(2.2, abs=0.2), (
            "half the rate, once for both refusals"
        )
        for _ in range(60):
            bucket.heard(200, {LEFT: "0"}, "writes")
        assert (await times(pace, 10))[-1] == pytest.approx(1.0, abs=0.2)

    run(work())


def test_a_lock_of_another_operation_is_no_quota() -> None:
    """A 429 without Retry-After is about one site: nobody else waits for it, and nothing gets slower."""

    async def work() -> None:
        pace = Pace()
        bucket = pace.of("POST", LIST)
        await times(pace, 150)
        bucket.heard(429, {}, "writes")
        assert (await times(pace, 1))[0] < 0.3

    run(work())


def test_who_gives_up_takes_nothing() -> None:
    """A request that was cancelled before its turn leaves its place to the others."""

    async def work() -> None:
        pace = Pace()
        await times(pace, 200)
        waiting = [asyncio.ensure_future(times(pace, 1)) for _ in range(100)]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert (await times(pace, 1))[0] < 0.3

    run(work())


async def test_nobody_is_refused_where_the_buckets_are_enforced() -> None:
    """More reads than the bucket holds, at once, over the real SDK: they take longer, and none is refused."""
    world = many(1)
    world.arm.throttle = True
    async with simulated(world) as here:
        adapter = AppService(here.credential, here.session, base_url=here.cloud.arm_url)
        (site, *_) = world.sites.values()
        await asyncio.gather(*(adapter.get_settings(site.id) for _ in range(110)))
        await adapter.aclose()
        assert {request.status for request in here.cloud.requests} == {200}
        assert len(here.cloud.requests) == 220
