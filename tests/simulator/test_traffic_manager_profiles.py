"""Profiles and endpoints of every shape that the REST specification's examples have, and what is refused.

The bodies are ours; each has the properties of the example that its test's id names (Azure/azure-rest-api-specs,
specification/trafficmanager, api-version 2024-04-01-preview).
"""

import copy
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from simulator.pair import a_pair
from simulator.premises import Premises
from simulator.services import resource_manager
from simulator.services.traffic_manager import resolve
from simulator.world import SUBSCRIPTION, World

GROUP, WEST, NORTH = "rg-scepman", "app-scepman-weu", "app-scepman-neu"
SITES = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Web/sites"
TYPE = "Microsoft.Network/trafficManagerProfiles"
PROFILES = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/{TYPE}"
NETWORK = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Network"
Json = dict[str, Any]


@dataclass
class Azure:
    """A cloud, asked as the operator."""

    cloud: Premises
    session: aiohttp.ClientSession

    @property
    def world(self) -> World:
        """The world."""
        return self.cloud.world

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """(status, body) of one request."""
        token, _ = self.cloud.tokens.issue(
            self.cloud.operator, "https://management.azure.com", "https://sts.test/"
        )
        full = path if path.startswith("/") else f"{PROFILES}/{path}"
        async with self.session.request(
            method,
            self.cloud.arm_url + full,
            params={"api-version": "2024-04-01-preview"},
            headers={"Authorization": f"Bearer {token}"},
            json=body,
        ) as answer:
            return answer.status, await answer.json() if await answer.text() else None

    async def made(self, name: str, *endpoints: Json, **properties: Any) -> Json:
        """A profile that was accepted, as it is answered."""
        status, said = await self.ask("PUT", name, a_profile(*endpoints, **properties))
        assert status == 201, said
        properties_said: Json = said["properties"]
        return properties_said


@pytest.fixture
async def azure(tmp_path: Path) -> AsyncIterator[Azure]:
    """Resource Manager over a pair."""
    cloud = Premises(a_pair(), tmp_path)
    async with resource_manager.serve(cloud):
        connector = aiohttp.TCPConnector(ssl=cloud.authority.client_context())
        async with aiohttp.ClientSession(connector=connector) as session:
            yield Azure(cloud, session)


def a_profile(*endpoints: Json, **properties: Any) -> Json:
    """A profile's body."""
    plain = {"trafficRoutingMethod": "Performance", "endpoints": list(endpoints)}
    return {"location": "global", "properties": plain | properties}


def external(name: str = "Branch office", target: str = "branch.contoso.com", **properties: Any) -> Json:
    """An external endpoint, with its type spelled as the examples do."""
    kind = "Microsoft.network/TrafficManagerProfiles/ExternalEndpoints"
    plain = {"target": target, "endpointStatus": "Enabled"}
    return {"name": name, "type": kind, "properties": plain | properties}


def nested(name: str, target: str, **properties: Any) -> Json:
    """A nested endpoint that is known by its DNS name."""
    return {"name": name, "type": f"{TYPE}/nestedEndpoints", "properties": {"target": target} | properties}


def azure_endpoint(site: str, name: str = "", **properties: Any) -> Json:
    """An endpoint for a web app."""
    plain = {"targetResourceId": f"{SITES}/{site}"}
    return {"name": name or site, "type": f"{TYPE}/azureEndpoints", "properties": plain | properties}


MONITOR = {
    "protocol": "HTTP", "port": 80, "path": "/alive", "intervalInSeconds": 10, "timeoutInSeconds": 5,
    "toleratedNumberOfFailures": 2,
}  # fmt: skip
PLAIN = {
    "profileStatus": "Enabled",
    "dnsConfig": {"relativeName": "new", "ttl": 35},
    "monitorConfig": MONITOR,
}
HEADERS = [{"name": "X-One", "value": "1"}, {"name": "X-Two", "value": "2"}]
RANGES = [{"min": 200, "max": 205}, {"min": 400, "max": 410}]

PROFILE_EXAMPLES: dict[str, Json] = {
    "Profile-PUT-NoEndpoints": a_profile(
        dnsConfig=PLAIN["dnsConfig"],
        monitorConfig={"protocol": "HTTP", "port": 80, "path": "/alive"},
        profileStatus="Enabled",
    ),
    "Profile-PUT-WithEndpoints": a_profile(external(endpointLocation="North Europe"), **PLAIN),
    "Profile-PUT-WithEndpointsAndRecordType": a_profile(
        external(endpointLocation="North Europe"), recordType="CNAME", **PLAIN
    ),
    "Profile-PUT-WithAliasing": a_profile(external(), allowedEndpointRecordTypes=["DomainName"], **PLAIN),
    "Profile-PUT-WithCustomHeaders": a_profile(
        external(customHeaders=HEADERS[1:]),
        trafficViewEnrollmentStatus="Disabled",
        **PLAIN | {"monitorConfig": MONITOR | {"customHeaders": HEADERS, "expectedStatusCodeRanges": RANGES}},
    ),
    "Profile-PUT-MultiValue": a_profile(
        trafficRoutingMethod="MultiValue", maxReturn=2, trafficViewEnrollmentStatus="Disabled", **PLAIN
    ),
    "Profile-PUT-WithNestedEndpoints": a_profile(
        nested(
            "First", "first.elsewhere.test", minChildEndpoints=2, minChildEndpointsIPv4=1,
            minChildEndpointsIPv6=2, priority=1, weight=1, endpointStatus="Enabled",
        ),
        nested(
            "Second", "second.elsewhere.test", minChildEndpoints=2, minChildEndpointsIPv4=2,
            minChildEndpointsIPv6=1, priority=2, weight=1, endpointStatus="Enabled",
        ),
        trafficRoutingMethod="Priority",
        **PLAIN,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PROFILE_EXAMPLES)
async def test_a_profile_of_the_examples_is_stored(azure: Azure, name: str) -> None:
    """Accepted, and all that was sent is answered, at once and later; sent once more it replaces itself."""
    sent = PROFILE_EXAMPLES[name]
    status, said = await azure.ask("PUT", "new", sent)
    assert status == 201, said
    _, later = await azure.ask("GET", "new")
    assert later == said
    assert_holds(said["properties"], sent["properties"])
    again, replaced = await azure.ask("PUT", "new", sent)
    assert (again, replaced) == (200, said)
    back, _ = await azure.ask("PUT", "new", said)  # read, and written back
    assert back == 200
    assert (await azure.ask("GET", "new"))[1] == said


ENDPOINT_EXAMPLES: dict[str, Json] = {
    "Endpoint-PUT-External-WithLocation": external(endpointLocation="North Europe"),
    "Endpoint-PUT-External-WithAlwaysServe": external(alwaysServe="Enabled", endpointLocation="North Europe"),
    "Endpoint-PUT-External-WithCustomHeaders": external(
        customHeaders=HEADERS, endpointLocation="North Europe"
    ),
    "Endpoint-PUT-External-WithGeoMapping": external(geoMapping=["GEO-AS", "GEO-AF"]),
    "Endpoint-PUT-External-WithSubnetMapping": external(
        subnets=[{"first": "192.0.2.0", "scope": 24}, {"first": "198.51.100.7", "last": "198.51.100.9"}]
    ),
}


@pytest.mark.parametrize("name", ENDPOINT_EXAMPLES)
async def test_an_endpoint_of_the_examples_is_stored(azure: Azure, name: str) -> None:
    """PUT, GET, a PATCH of the target with the names that the example repeats, DELETE, and DELETE once more."""
    await azure.made("new", trafficRoutingMethod="Weighted")
    sent, path = ENDPOINT_EXAMPLES[name], "new/ExternalEndpoints/Branch%20office"
    status, said = await azure.ask("PUT", path, sent)
    assert (status, said["properties"]["weight"], said["properties"]["priority"]) == (201, 1, 1)
    assert said["type"] == f"{TYPE}/externalEndpoints"
    assert_holds(said["properties"], sent["properties"])
    assert (await azure.ask("GET", path))[1] == said
    moved = {key: said[key] for key in ("id", "name", "type")} | {
        "properties": {"target": "other.contoso.com"}
    }
    status, after = await azure.ask("PATCH", path, moved)
    assert status == 200
    assert after["properties"] == said["properties"] | {"target": "other.contoso.com"}
    assert [(await azure.ask("DELETE", path))[0] for _ in range(2)] == [200, 204]
    assert (await azure.ask("GET", path))[0] == 404


async def test_the_other_examples(azure: Azure) -> None:
    """PATCH of monitor and record type, names, the heat map, the hierarchy, the metrics key, DELETE of a profile."""
    await azure.made("new", external())
    monitor = MONITOR | {"intervalInSeconds": 30, "timeoutInSeconds": 6, "customHeaders": HEADERS}
    _, said = await azure.ask("PATCH", "new", {"properties": {"monitorConfig": monitor}})
    assert_holds(said["properties"]["monitorConfig"], monitor)
    _, said = await azure.ask("PATCH", "new", {"properties": {"recordType": "CNAME"}})
    assert said["properties"]["recordType"] == "CNAME"
    question = {"name": "new", "type": "microsoft.network/trafficmanagerprofiles"}
    for path in (
        "/providers/Microsoft.Network/checkTrafficManagerNameAvailability",
        f"{NETWORK}/checkTrafficManagerNameAvailabilityV2",
    ):
        _, said = await azure.ask("POST", path, question)
        assert (said["nameAvailable"], said["reason"]) == (False, "AlreadyExists")
        assert (await azure.ask("POST", path, question | {"name": "free"}))[1]["nameAvailable"]
    _, said = await azure.ask("GET", "new/heatMaps/default?topLeft=10,50&botRight=-10,55")
    assert len(said["properties"]["endpoints"]) == 1
    hierarchies = "/providers/Microsoft.Network/trafficManagerGeographicHierarchies/default"
    _, said = await azure.ask("GET", hierarchies)
    assert said["properties"]["geographicHierarchy"]["code"] == "WORLD"
    key = f"{NETWORK}/trafficManagerUserMetricsKeys/default"
    _, made = await azure.ask("PUT", key)
    assert (await azure.ask("GET", key))[1]["properties"]["key"] == made["properties"]["key"]
    assert [(await azure.ask("DELETE", key))[0] for _ in range(2)] == [200, 204]
    assert [(await azure.ask("DELETE", "new"))[0] for _ in range(2)] == [200, 204]
    assert (await azure.ask("GET", "new"))[0] == 404


def assert_holds(said: Any, sent: Any) -> None:
    """All that was sent is in the answer; types may be spelled otherwise."""
    if isinstance(sent, dict):
        for name, value in sent.items():
            assert name in said
            if name == "type":
                assert said[name].lower() == value.lower()
            else:
                assert_holds(said[name], value)
    elif isinstance(sent, list):
        assert len(said) == len(sent)
        for one, other in zip(said, sent, strict=True):
            assert_holds(one, other)
    else:
        assert said == sent


async def test_a_put_replaces(azure: Azure) -> None:
    """What is not sent has its default again: of a profile, and of an endpoint."""
    await azure.made(
        "new",
        external(weight=7, priority=9, customHeaders=HEADERS, alwaysServe="Enabled", geoMapping=["DE"]),
        maxReturn=3,
        trafficViewEnrollmentStatus="Enabled",
        monitorConfig=MONITOR | {"customHeaders": HEADERS, "expectedStatusCodeRanges": RANGES},
        dnsConfig={"relativeName": "another", "ttl": 5},
    )
    _, said = await azure.ask("PUT", "new/externalEndpoints/Branch office", external())
    its = said["properties"]
    assert (its["weight"], its["priority"], its["customHeaders"], its["alwaysServe"]) == (
        1,
        1,
        None,
        "Disabled",
    )
    assert "geoMapping" not in its
    status, said = await azure.ask("PUT", "new", a_profile())
    its = said["properties"]
    assert status == 200
    assert its["endpoints"] == []
    assert (its["maxReturn"], its["trafficViewEnrollmentStatus"]) == (None, "Disabled")
    monitor = its["monitorConfig"]
    assert (monitor["customHeaders"], monitor["expectedStatusCodeRanges"]) == (None, None)
    assert (
        monitor["intervalInSeconds"],
        monitor["timeoutInSeconds"],
        monitor["toleratedNumberOfFailures"],
    ) == (30, 10, 3)
    assert its["dnsConfig"]["relativeName"] == "another"


async def test_a_fast_interval_has_its_own_timeout(azure: Azure) -> None:
    """9 s unless another one is sent."""
    said = await azure.made("new", monitorConfig={"intervalInSeconds": 10})
    assert said["monitorConfig"]["timeoutInSeconds"] == 9


async def test_a_dns_name_of_its_own(azure: Azure) -> None:
    """The relative name makes the DNS name; nobody else gets it, and it stays."""
    said = await azure.made("new", dnsConfig={"relativeName": "scep-contoso"})
    assert said["dnsConfig"]["fqdn"] == "scep-contoso.trafficmanager.test"
    body = a_profile(dnsConfig={"relativeName": "SCEP-contoso"})
    status, said = await azure.ask("PUT", "second", body)
    assert (status, said["error"]["code"]) == (409, "Conflict")
    assert "already exists" in said["error"]["message"]
    assert (await azure.ask("PATCH", "new", {"properties": {"dnsConfig": {"relativeName": "x"}}}))[0] == 400
    assert (await azure.ask("PUT", "new", a_profile(dnsConfig={"relativeName": "x"})))[0] == 400


TWO = (azure_endpoint(WEST, priority=1), azure_endpoint(NORTH, priority=2))
REFUSED: dict[str, Json] = {
    "two of one priority": a_profile(TWO[0], azure_endpoint(NORTH, priority=1)),
    "two of one name": a_profile(TWO[0], azure_endpoint(NORTH, WEST.upper())),
    "two of one target": a_profile(TWO[0], azure_endpoint(WEST, "again")),
    "two of one external target": a_profile(external(), external("other", "Branch.contoso.com")),
    "an unknown property": a_profile(sticky=True),
    "an unknown property of DNS": a_profile(dnsConfig={"domain": "x"}),
    "an unknown property of the monitor": a_profile(monitorConfig={"retries": 1}),
    "an unknown property of an endpoint": a_profile(external(colour="red")),
    "an unknown member": a_profile() | {"zones": ["1"]},
    "an unknown type": a_profile(external() | {"type": f"{TYPE}/otherEndpoints"}),
    "no type": a_profile({"name": "x", "properties": {"target": "x.test"}}),
    "no target": a_profile(external(target="")),
    "another's resource": a_profile(external(targetResourceId=f"{SITES}/{WEST}")),
    "a target beside the resource": a_profile(azure_endpoint(WEST, target="x.test")),
    "children of no profile": a_profile(external(minChildEndpoints=1)),
    "a nested one always served": a_profile(nested("x", "x.test", alwaysServe="Enabled")),
    "a nested one that is nowhere": a_profile(nested("x", "", targetResourceId=f"{PROFILES}/nowhere")),
    "one place twice": a_profile(
        external(geoMapping=["DE"]), external("b", "b.test", geoMapping=["de"]), trafficRoutingMethod="Geographic"
    ),
    "one address twice": a_profile(
        external(subnets=[{"first": "192.0.2.0", "scope": 24}]),
        external("b", "b.test", subnets=[{"first": "192.0.2.9", "last": "192.0.2.10"}]),
        trafficRoutingMethod="Subnet",
    ),
    "a range that is none": a_profile(external(subnets=[{"first": "192.0.2.9", "last": "192.0.2.1"}])),
    "a name among many values": a_profile(external(), trafficRoutingMethod="MultiValue"),
    "a long time-out": a_profile(monitorConfig={"intervalInSeconds": 10, "timeoutInSeconds": 10}),
    "a path of a connection": a_profile(monitorConfig={"protocol": "TCP", "path": "/x"}),
    "a header without a value": a_profile(monitorConfig={"customHeaders": [{"name": "X"}]}),
    "a range without an end": a_profile(monitorConfig={"expectedStatusCodeRanges": [{"min": 200}]}),
    "another location": a_profile() | {"location": "westeurope"},
    "tags that are none": a_profile() | {"tags": {"a": 1}},
    "endpoints that are none": a_profile() | {"properties": {"endpoints": {}}},
    "an endpoint that is none": a_profile() | {"properties": {"endpoints": [1]}},
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
async def test_what_traffic_manager_does_not_have_is_refused(azure: Azure, name: str) -> None:
    """400 in Azure's shape, and nothing is there afterwards; of a profile that is there nothing is changed."""
    status, said = await azure.ask("PUT", "new", REFUSED[name])
    assert (status, set(said["error"])) == (400, {"code", "message"})
    assert list(azure.world.profiles) == ["scepman"]
    before = copy.deepcopy(azure.world.profiles["scepman"])
    assert (await azure.ask("PUT", "scepman", REFUSED[name]))[0] == 400
    assert azure.world.profiles["scepman"] == before


async def test_a_profile_is_not_nested_in_itself(azure: Azure) -> None:
    """Neither at once nor by way of another; and what is nested is not deleted."""
    inner = nested("up", "", targetResourceId=f"{PROFILES}/scepman", minChildEndpoints=2)
    del inner["properties"]["target"]
    said = await azure.made("outer", inner)
    (endpoint,) = said["endpoints"]
    assert endpoint["properties"]["target"] == "scepman.trafficmanager.test"
    status, _ = await azure.ask(
        "PUT", "scepman/nestedEndpoints/round", nested("round", "outer.trafficmanager.test")
    )
    assert status == 400
    assert (await azure.ask("DELETE", "scepman"))[0] == 400


async def test_a_nested_endpoint_follows_its_children(azure: Azure) -> None:
    """Online while as many are available as it wants; degraded below; stopped when the child is off."""
    inner = nested("eu", "scepman.trafficmanager.test", minChildEndpoints=2)
    await azure.made("outer", inner, trafficRoutingMethod="Priority")
    world = azure.world
    (outer,) = world.profiles["outer"].endpoints
    west, north = world.profiles["scepman"].endpoints

    def status() -> str:
        return world.monitor_status(world.profiles["outer"], outer)

    assert status() == "Online"
    west.observed = "CheckingEndpoint"
    assert status() == "CheckingEndpoint"
    west.observed = "Degraded"
    assert status() == "Degraded"
    outer.least_children = 1
    assert status() == "Online"
    outer.least_ipv4 = 1
    assert status() == "Degraded"
    outer.least_ipv4 = None
    assert resolve(world.profiles["outer"], world, turn=0) == (f"{NORTH}.azurewebsites.test",)
    west.enabled = north.enabled = False
    assert status() == "Stopped"
    assert resolve(world.profiles["outer"], world, turn=0) is None


async def test_geography_decides(azure: Azure) -> None:
    """The narrowest place, healthy or not; a disabled endpoint takes no part; a stopped one leaves no answer."""
    await azure.made(
        "new",
        azure_endpoint(WEST, geoMapping=["DE"]),
        azure_endpoint(NORTH, geoMapping=["WORLD"]),
        trafficRoutingMethod="Geographic",
    )
    world, profile = azure.world, azure.world.profiles["new"]
    world.places = {"192.0.2.0/24": ("DE", "GEO-EU")}
    west, _ = profile.endpoints
    german = "192.0.2.0/24"
    assert resolve(profile, world, turn=0, client=german) == (f"{WEST}.azurewebsites.test",)
    assert resolve(profile, world, turn=0) == (f"{NORTH}.azurewebsites.test",)
    west.observed = "Degraded"
    assert resolve(profile, world, turn=0, client=german) == (f"{WEST}.azurewebsites.test",)
    west.enabled = False
    assert resolve(profile, world, turn=0, client=german) == (f"{NORTH}.azurewebsites.test",)
    west.enabled = True
    world.sites[WEST].state = "Stopped"
    assert resolve(profile, world, turn=0, client=german) == ()


async def test_subnets_decide(azure: Azure) -> None:
    """Ranges and networks; whoever is in none gets the endpoint without any, or no answer."""
    subnets = [{"first": "192.0.2.0", "scope": 24}, {"first": "198.51.100.7", "last": "198.51.100.9"}]
    await azure.made(
        "new", azure_endpoint(WEST, subnets=subnets), azure_endpoint(NORTH), trafficRoutingMethod="Subnet"
    )
    world, profile = azure.world, azure.world.profiles["new"]
    inside = ("192.0.2.200/32", "198.51.100.8/32")
    assert {resolve(profile, world, turn=0, client=name) for name in inside} == {
        (f"{WEST}.azurewebsites.test",)
    }
    assert resolve(profile, world, turn=0, client="203.0.113.1/32") == (f"{NORTH}.azurewebsites.test",)
    profile.endpoints.pop()
    assert resolve(profile, world, turn=0, client="203.0.113.1/32") == ()


async def test_many_values(azure: Azure) -> None:
    """Healthy addresses of the kind that is asked for, as many as the profile wants, in turn."""
    addresses = ("192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1")
    await azure.made(
        "new",
        *(external(address.replace(":", "-"), address) for address in addresses),
        trafficRoutingMethod="MultiValue",
    )
    world, profile = azure.world, azure.world.profiles["new"]
    assert resolve(profile, world, turn=1) == ("192.0.2.2", "192.0.2.3")
    assert resolve(profile, world, turn=0, version=6) == ("2001:db8::1",)
    profile.endpoints[1].observed = "Degraded"
    profile.most_answers = 8
    assert resolve(profile, world, turn=0) == ("192.0.2.1", "192.0.2.3")


async def test_external_endpoints_in_the_name(azure: Azure) -> None:
    """A name is led to; one that is always served is answered whatever it does."""
    await azure.made("new", external(alwaysServe="Enabled"), trafficRoutingMethod="Priority")
    world, profile = azure.world, azure.world.profiles["new"]
    (branch,) = profile.endpoints
    branch.observed = "Degraded"
    assert world.monitor_status(profile, branch) == "Unmonitored"
    assert resolve(profile, world, turn=0) == ("branch.contoso.com",)
