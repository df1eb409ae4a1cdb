"""TrafficManagerProfiles on answers that differ from the usual, and on none."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from shared.adapters.traffic_manager import TrafficManagerProfiles
from shared.errors import AppError, Busy, Denied, NotFound, Throttled, Unavailable
from shared.groups.model import Endpoint, Monitor, MonitorStatus, Nesting, Profile, Value
from tests.adapters.stub_azure import Azure, Handler, answering, serving
from tests.builders import a_permit
from tests.fakes.credentials import FakeCredential

SUBSCRIPTION = "5a7e"
PATH = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Network/trafficmanagerprofiles"


async def profiles(handler: Handler) -> tuple[Profile, ...]:
    """Return what the adapter makes of that server's answers."""
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
        profile.endpoints
        for profile in await profiles(answering(200, an_endpoint(endpointMonitorStatus=said)))
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
    ((endpoint,),) = [profile.endpoints for profile in await profiles(answering(200, an_endpoint()))]
    assert endpoint == Endpoint(
        name="weu",
        type="azureEndpoints",
        target_id="",
        target="",
        location="",
        enabled=False,
        status=MonitorStatus.UNKNOWN,
    )


async def test_what_an_endpoint_is_answered_for() -> None:
    """Always served, and for which places; both in any casing."""
    ((endpoint,),) = [
        profile.endpoints
        for profile in await profiles(
            answering(200, an_endpoint(alwaysServe="enabled", geoMapping=["DE", "GEO-AS"]))
        )
    ]
    assert endpoint.always_serve
    assert endpoint.geo_mapping == ("DE", "GEO-AS")


async def test_a_profile_knows_whose_endpoint_it_is() -> None:
    """Of the profiles of its subscription; a disabled endpoint leads nobody there."""
    provider = "/providers/Microsoft.Network/trafficManagerProfiles"
    child = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg{provider}/eu"

    def leading(name: str, **properties: object) -> dict[str, Any]:
        return {
            "name": name,
            "properties": {"targetResourceId": child.upper(), "endpointStatus": "Enabled"} | properties,
        }

    endpoints = [
        leading("plain"),
        leading("many", minChildEndpoints=2, minChildEndpointsIPv4=1, minChildEndpointsIPv6=3),
        leading("off", endpointStatus="Disabled"),
        {"name": "site", "properties": {"targetResourceId": "/s", "endpointStatus": "Enabled"}},
        {},
    ]
    said = {
        "value": [{"id": child, "name": "eu"}, {"name": "all", "properties": {"endpoints": endpoints}}, {}]
    }
    eu, everything, _ = await profiles(answering(200, said))
    assert eu.nested_in == (
        Nesting(profile="all", endpoint="plain"),
        Nesting(profile="all", endpoint="many", least=2, least_ipv4=1, least_ipv6=3),
    )
    assert everything.nested_in == ()


async def test_what_traffic_manager_takes_for_good() -> None:
    """Statuses and headers of the profile, headers of an endpoint; a header without a name is none."""
    monitor = {
        "expectedStatusCodeRanges": [{"min": 200, "max": 299}, {"min": 403, "max": 403}],
        "customHeaders": [{"name": "Host", "value": "scep.contoso.com"}, {"value": "x"}],
    }
    (profile,) = await profiles(answering(200, {"value": [{"properties": {"monitorConfig": monitor}}]}))
    assert profile.monitor.expected == ((200, 299), (403, 403))
    assert profile.monitor.headers == (("Host", Value("scep.contoso.com")),)
    said = an_endpoint(customHeaders=[{"name": "Host", "value": "west.contoso.com"}])
    ((endpoint,),) = [profile.endpoints for profile in await profiles(answering(200, said))]
    assert endpoint.headers == (("Host", Value("west.contoso.com")),)


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

    assert [profile.name for profile in await profiles(handle)] == ["first", "second"]


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


PROVIDER = "Microsoft.Network/trafficManagerProfiles"
PROFILE_ID = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/{PROVIDER}/scepman"
ENDPOINT_PATH = f"{PROFILE_ID}/AzureEndpoints/weu"


class Patched:
    """Keeps the PATCHes that came in."""

    def __init__(self, status: int = 200) -> None:
        self.calls: list[tuple[str, str, Any, str | None]] = []
        self._status = status

    async def handle(self, request: web.Request) -> web.StreamResponse:
        correlation = request.headers.get("x-ms-correlation-request-id")
        self.calls.append((request.method, request.path, await request.json(), correlation))
        return web.json_response({"name": "weu", "properties": {}}, status=self._status)


async def changed(azure: Patched, change: Callable[[TrafficManagerProfiles], Awaitable[None]]) -> None:
    async with serving(Azure(azure.handle)) as (session, url):
        adapter = TrafficManagerProfiles(FakeCredential(), session, base_url=url)
        try:
            await change(adapter)
        finally:
            await adapter.aclose()


async def test_disabling_an_endpoint() -> None:
    """One PATCH with nothing but the endpoint's status, under the permit's id."""
    azure = Patched()
    await changed(azure, lambda it: it.disable_endpoint(PROFILE_ID, "weu", permit=a_permit()))
    ((method, path, body, correlation),) = azure.calls
    assert (method, path.lower()) == ("PATCH", ENDPOINT_PATH.lower())
    assert body == {"properties": {"endpointStatus": "Disabled"}}
    assert correlation


@pytest.mark.parametrize(
    ("weight", "properties"),
    [(None, {"endpointStatus": "Enabled"}), (20, {"endpointStatus": "Enabled", "weight": 20})],
)
async def test_enabling_an_endpoint(weight: int | None, properties: dict[str, Any]) -> None:
    """One PATCH with the status, and the weight when one is given."""
    azure = Patched()
    await changed(azure, lambda it: it.enable_endpoint(PROFILE_ID, "weu", weight=weight))
    assert [call[2] for call in azure.calls] == [{"properties": properties}]


@pytest.mark.parametrize(
    ("status", "error"), [(403, Denied), (404, NotFound), (409, Busy), (429, Busy), (503, Unavailable)]
)
async def test_a_change_is_sent_once(status: int, error: type[AppError]) -> None:
    """A lost answer may hide an effect: the endpoint itself tells at the next look."""
    azure = Patched(status)
    with pytest.raises(error):
        await changed(azure, lambda it: it.disable_endpoint(PROFILE_ID, "weu", permit=a_permit()))
    assert len(azure.calls) == 1


async def test_an_id_that_is_none() -> None:
    """What is no profile's id is not asked for."""
    azure = Patched()
    with pytest.raises(NotFound, match="is not the id of a Traffic Manager profile"):
        await changed(azure, lambda it: it.enable_endpoint("/subscriptions/x", "weu"))
    assert azure.calls == []
