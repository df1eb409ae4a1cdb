"""TrafficManagerProfiles on answers that differ from the usual, and on none."""

from typing import Any

import pytest
from aiohttp import web

from shared.adapters.traffic_manager import TrafficManagerProfiles
from shared.errors import Denied, Throttled, Unavailable
from shared.groups.model import Endpoint, Monitor, MonitorStatus, Profile
from tests.adapters.stub_azure import Azure, Handler, answering, serving
from tests.fakes.credentials import FakeCredential

SUBSCRIPTION = "5a7e"
PATH = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Network/trafficmanagerprofiles"


async def profiles(handler: Handler) -> tuple[Profile, ...]:
    """What the adapter makes of that server's answers."""
    async with serving(Azure(handler)) as (session, url):
        adapter = TrafficManagerProfiles(FakeCredential(), session, base_url=url)
        try:
            return await adapter.list_profiles(SUBSCRIPTION)
        finally:
            await adapter.aclose()


def an_endpoint(**properties: Any) -> dict[str, Any]:
    """One endpoint inside a list of profiles, as the wire has it."""
    endpoint = {
        "name": "weu",
        "type": "Microsoft.Network/TrafficManagerProfiles/AZUREENDPOINTS",
        "properties": properties,
    }
    return {"value": [{"id": "/p", "name": "p", "properties": {"endpoints": [endpoint]}}]}


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("Online", MonitorStatus.ONLINE),
        ("degraded", MonitorStatus.DEGRADED),
        ("Unmonitored", MonitorStatus.UNMONITORED),
        ("Recuperating", MonitorStatus.UNKNOWN),
        (None, MonitorStatus.UNKNOWN),
    ],
)
async def test_status_of_any_casing_or_none(said: str | None, status: MonitorStatus) -> None:
    """Known words in any casing; a word of a later Azure, or none, is UNKNOWN."""
    ((endpoint,),) = [
        it.endpoints for it in await profiles(answering(200, an_endpoint(endpointMonitorStatus=said)))
    ]
    assert endpoint.status is status
    assert endpoint.type == "azureEndpoints"


async def test_what_azure_leaves_out() -> None:
    """A profile with nothing in it is still a profile; the probe's figures are Azure's defaults."""
    (profile,) = await profiles(answering(200, {"value": [{}]}))
    assert profile == Profile(
        id="",
        name="",
        enabled=False,
        routing="",
        fqdn="",
        ttl=0,
        monitor=Monitor(protocol="", port=0, path="", interval=30, timeout=10, tolerated_failures=3),
        endpoints=(),
    )
    ((endpoint,),) = [it.endpoints for it in await profiles(answering(200, an_endpoint()))]
    assert endpoint == Endpoint(
        name="weu",
        type="azureEndpoints",
        target_id="",
        target="",
        location="",
        enabled=False,
        status=MonitorStatus.UNKNOWN,
    )


async def test_no_failure_is_tolerated() -> None:
    """Zero tolerated failures are zero, not the default."""
    said = {"value": [{"properties": {"monitorConfig": {"toleratedNumberOfFailures": 0}}}]}
    (profile,) = await profiles(answering(200, said))
    assert profile.monitor.tolerated_failures == 0


async def test_all_pages_are_read() -> None:
    """A list in pages is read to its end."""

    async def handle(request: web.Request) -> web.Response:
        assert request.path.lower() == PATH.lower()
        if "token" in request.query:
            return web.json_response({"value": [{"name": "second"}]})
        following = f"{request.url.origin()}{PATH}?token=2"
        return web.json_response({"value": [{"name": "first"}], "nextLink": following})

    assert [it.name for it in await profiles(handle)] == ["first", "second"]


async def test_failures_are_ours() -> None:
    """Each failure is one of our errors, and names the permission or the wait."""
    with pytest.raises(Denied, match="trafficManagerProfiles/read"):
        await profiles(answering(403, {"error": {"code": "AuthorizationFailed", "message": "no"}}))
    with pytest.raises(Throttled) as caught:
        await profiles(answering(429, {"error": {"code": "Busy"}}, **{"Retry-After": "60"}))
    assert caught.value.retry_after == 60
    with pytest.raises(Unavailable, match=SUBSCRIPTION):
        await profiles(answering(500))


async def test_one_client_for_a_subscription() -> None:
    """The audience that was set is asked for, and a token is kept between calls."""
    credential = FakeCredential()
    async with serving(Azure(answering(200, {"value": []}))) as (session, url):
        adapter = TrafficManagerProfiles(
            credential, session, base_url=f"{url}/", audience="https://management.cloud.test/"
        )
        for subscription in ("5a7e", "5A7E", "5a7e"):
            assert await adapter.list_profiles(subscription) == ()
        await adapter.aclose()
    assert credential.scopes == [("https://management.cloud.test/.default",)]
