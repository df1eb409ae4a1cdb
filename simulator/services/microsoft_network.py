"""Microsoft.Network/trafficManagerProfiles: profiles, and their endpoints of all three types.

A PUT replaces: what is not sent has its default again. A property that Traffic Manager does not have is refused. What
Azure documents no default for has that of its command line (HTTP, port 80, path `/`, 60 s to live). Not imitated: the
heat map's measurements, real user measurements, and most of the geographic hierarchy.
"""

import copy
import dataclasses
import itertools
from collections.abc import Iterable, Mapping
from typing import Any

from simulator.arm import Answer, ArmError, Call, Json, Operation, group_name, not_found, page, properties
from simulator.services.microsoft_resources import GROUP, SUBSCRIPTION
from simulator.world import (
    EndpointKind,
    EndpointState,
    ProfileState,
    Site,
    Subnet,
    World,
    ip_version,
    new_version,
)

VERSIONS = (
    "2015-11-01", "2017-03-01", "2017-05-01", "2018-02-01", "2018-03-01", "2018-04-01", "2018-08-01",
    "2022-04-01", "2022-04-01-preview", "2024-04-01-preview", "2025-01-01-preview", "2026-09-01",
)  # fmt: skip
TYPE = "Microsoft.Network/trafficManagerProfiles"
PROFILE = f"{GROUP}/providers/{TYPE}/{{profile}}"
KINDS: tuple[EndpointKind, ...] = ("azureEndpoints", "externalEndpoints", "nestedEndpoints")
ROUTINGS = ("Performance", "Priority", "Weighted", "Geographic", "MultiValue", "Subnet")
PROTOCOLS = ("HTTP", "HTTPS", "TCP")
SWITCH = ("Enabled", "Disabled")
ALIASES = ("DomainName", "IPv4Address", "IPv6Address", "Any")
RECORDS = ("A", "AAAA", "CNAME")
ONLY_200 = ((200, 200),)  # statuses that are up unless a profile says others
MOST_DETAILS = 8  # custom headers, and ranges of expected statuses
MOST_ENDPOINTS = 200
DEEPEST = 10  # levels of nested profiles

# What a body may hold. What Traffic Manager says itself may be sent back to it, and changes nothing.
OF_PROFILE = frozenset({"id", "name", "type", "location", "tags", "properties"})
OF_ENDPOINT = frozenset({"id", "name", "type", "properties"})
PROFILE_PROPERTIES = frozenset({
    "profileStatus", "trafficRoutingMethod", "dnsConfig", "monitorConfig", "endpoints", "trafficViewEnrollmentStatus",
    "allowedEndpointRecordTypes", "maxReturn", "recordType",
})  # fmt: skip
DNS_PROPERTIES = frozenset({"relativeName", "fqdn", "ttl"})
MONITOR_PROPERTIES = frozenset({
    "profileMonitorStatus", "protocol", "port", "path", "intervalInSeconds", "timeoutInSeconds",
    "toleratedNumberOfFailures", "customHeaders", "expectedStatusCodeRanges",
})  # fmt: skip
ENDPOINT_PROPERTIES = frozenset({
    "targetResourceId", "target", "endpointStatus", "weight", "priority", "endpointLocation", "endpointMonitorStatus",
    "minChildEndpoints", "minChildEndpointsIPv4", "minChildEndpointsIPv6", "geoMapping", "subnets", "customHeaders",
    "alwaysServe",
})  # fmt: skip


# Reading


def profile_of(call: Call) -> ProfileState:
    """The profile that the path names, in any casing; 404 when there is none."""
    group = group_name(call)
    found = _known_profile(call, group)
    if found is None:
        raise not_found(TYPE, call.at["profile"], group)
    return found


def _known_profile(call: Call, group: str) -> ProfileState | None:
    wanted = (group.lower(), call.at["profile"].lower())
    return next(
        (
            profile
            for profile in call.world.profiles.values()
            if (profile.resource_group.lower(), profile.name.lower()) == wanted
        ),
        None,
    )


def _kind_of(call: Call) -> EndpointKind:
    """The endpoints' type that the path names, in any casing."""
    return next(kind for kind in KINDS if f"/{kind.lower()}/" in call.path.lower())


def endpoint_of(call: Call, profile: ProfileState) -> EndpointState:
    """The endpoint that the path names, in any casing; 404 when there is none of that type."""
    found, kind = _known_endpoint(call, profile), _kind_of(call)
    if found is None or found.kind != kind:
        raise not_found(f"{TYPE}/{kind}", f"{profile.name}/{call.at['endpoint']}", profile.resource_group)
    return found


def _known_endpoint(call: Call, profile: ProfileState) -> EndpointState | None:
    wanted = call.at["endpoint"].lower()
    return next((endpoint for endpoint in profile.endpoints if endpoint.name.lower() == wanted), None)


def profile_body(call: Call, profile: ProfileState) -> Json:
    """A profile with its endpoints, as GET answers it."""
    values: Json = {
        "profileStatus": _switch(on=profile.enabled),
        "trafficRoutingMethod": profile.routing,
        "dnsConfig": {
            "relativeName": profile.relative_name or profile.name, "fqdn": profile.fqdn, "ttl": profile.ttl,
        },
        "monitorConfig": {
            "profileMonitorStatus": call.world.profile_status(profile),
            "protocol": profile.protocol,
            "port": profile.port,
            "path": None if profile.protocol == "TCP" else profile.path,
            "intervalInSeconds": int(profile.interval),
            "toleratedNumberOfFailures": profile.tolerated,
            "timeoutInSeconds": int(profile.timeout),
            **_probe_details(call, profile),
        },
        "endpoints": [endpoint_body(call, profile, endpoint) for endpoint in profile.endpoints],
    }  # fmt: skip
    if call.version >= "2018-03-01":
        values |= {
            "trafficViewEnrollmentStatus": _switch(on=profile.traffic_view), "maxReturn": profile.most_answers,
        }  # fmt: skip
    if profile.record_types is not None:
        values["allowedEndpointRecordTypes"] = list(profile.record_types)
    if profile.record_type is not None:
        values["recordType"] = profile.record_type
    return {
        "id": profile.id,
        "name": profile.name,
        "type": TYPE,
        "location": "global",
        "tags": profile.tags,
        "properties": values,
    }


def _probe_details(call: Call, profile: ProfileState) -> Json:
    """Headers and expected statuses, which are null as long as nobody set them."""
    if call.version < "2018-03-01":
        return {}
    ranges = [{"min": least, "max": most} for least, most in profile.expected]
    return {
        "customHeaders": _headers_body(profile.headers),
        "expectedStatusCodeRanges": None if profile.expected == ONLY_200 else ranges,
    }


def _headers_body(headers: Mapping[str, str]) -> list[Json] | None:
    return [{"name": name, "value": value} for name, value in headers.items()] or None


def endpoint_body(call: Call, profile: ProfileState, endpoint: EndpointState) -> Json:
    """An endpoint as GET answers it."""
    site = call.world.sites.get(endpoint.target_site)
    child = call.world.child_of(endpoint)
    values: Json = {
        "endpointStatus": _switch(on=endpoint.enabled),
        "endpointMonitorStatus": call.world.monitor_status(profile, endpoint),
        "targetResourceId": site.id if site else child.id if child else endpoint.child or None,
        "target": call.world.target_of(endpoint),
        "weight": endpoint.weight,
        "priority": endpoint.priority,
        "endpointLocation": endpoint.location or (site.location if site else None),
    }
    if endpoint.kind == "nestedEndpoints":
        least = (endpoint.least_children, endpoint.least_ipv4, endpoint.least_ipv6)
        names = ("minChildEndpoints", "minChildEndpointsIPv4", "minChildEndpointsIPv6")
        values |= dict(zip(names, least, strict=True))
    elif call.version >= "2022-04-01":
        values["alwaysServe"] = _switch(on=endpoint.always_serve)
    if call.version >= "2018-03-01":
        values["customHeaders"] = _headers_body(endpoint.headers)
    if endpoint.places:
        values["geoMapping"] = list(endpoint.places)
    if endpoint.subnets:
        values["subnets"] = [_without_nulls(dataclasses.asdict(subnet)) for subnet in endpoint.subnets]
    return {
        "id": f"{profile.id}/{endpoint.kind}/{endpoint.name}",
        "name": endpoint.name,
        "type": f"{TYPE}/{endpoint.kind}",
        "properties": values,
    }


def _without_nulls(values: Json) -> Json:
    return {name: value for name, value in values.items() if value is not None}


def _switch(*, on: bool) -> str:
    return SWITCH[0] if on else SWITCH[1]


def _profiles(call: Call) -> Answer:
    subscription = call.at["subscription"].lower()
    group = group_name(call).lower() if "group" in call.at else None
    found = [
        profile_body(call, profile)
        for profile in call.world.profiles.values()
        if profile.subscription == subscription and group in (None, profile.resource_group.lower())
    ]
    return page(found, call)


def _one_profile(call: Call) -> Answer:
    return Answer(profile_body(call, profile_of(call)))


def _one_endpoint(call: Call) -> Answer:
    profile = profile_of(call)
    return Answer(endpoint_body(call, profile, endpoint_of(call, profile)))


# Writing: what a body may hold, and what becomes of it. A body is read whole before anything changes.


def _bad(message: str) -> ArmError:
    return ArmError(400, "BadRequest", message)


def _object(sent: Any, name: str, allowed: frozenset[str]) -> Json:
    """A JSON object with properties that Traffic Manager has; an empty one when it is not sent."""
    if sent is None:
        return {}
    if not isinstance(sent, dict):
        raise _bad(f"The value specified for '{name}' is invalid. An object is expected.")
    unknown = sorted(set(sent) - allowed)
    if unknown:
        raise _bad(f"Could not find member '{unknown[0]}' on object of type '{name}'.")
    return sent


def _word(values: Json, name: str, allowed: tuple[str, ...]) -> str | None:
    """One of a few words, in any casing; None when it is not sent."""
    if (sent := values.get(name)) is None:
        return None
    found = next((word for word in allowed if str(sent).lower() == word.lower()), None)
    if found is None:
        raise _bad(
            f"The value '{sent}' specified for '{name}' is invalid. Valid values: {', '.join(allowed)}."
        )
    return found


def _number(values: Json, name: str, least: int, most: int) -> int | None:
    """A whole number within limits; None when it is not sent."""
    if (sent := values.get(name)) is None:
        return None
    if not isinstance(sent, int) or isinstance(sent, bool) or not least <= sent <= most:
        raise _bad(
            f"The value '{sent}' specified for '{name}' is invalid. It must be from {least} to {most}."
        )
    return sent


def _headers(values: Json) -> dict[str, str] | None:
    """Custom headers, at most eight; None when they are not sent."""
    if (sent := values.get("customHeaders")) is None:
        return None
    if not isinstance(sent, list) or len(sent) > MOST_DETAILS:
        raise _bad(f"The 'customHeaders' specified are invalid. There can be up to {MOST_DETAILS}.")
    found: dict[str, str] = {}
    for item in sent:
        its = _object(item, "customHeaders", frozenset({"name", "value"}))
        if not isinstance(its.get("name"), str) or not its["name"] or not isinstance(its.get("value"), str):
            raise _bad("The 'customHeaders' specified are invalid. Each has a name and a value.")
        found[its["name"]] = its["value"]
    return found


def _expected(monitor: Json) -> tuple[tuple[int, int], ...] | None:
    """Expected statuses, at most eight ranges; None when they are not sent."""
    if (sent := monitor.get("expectedStatusCodeRanges")) is None:
        return None
    if not isinstance(sent, list) or len(sent) > MOST_DETAILS:
        raise _bad(
            f"The 'expectedStatusCodeRanges' specified are invalid. There can be up to {MOST_DETAILS}."
        )
    its = [_object(item, "expectedStatusCodeRanges", frozenset({"min", "max"})) for item in sent]
    found = tuple((_number(entry, "min", 100, 999), _number(entry, "max", 100, 999)) for entry in its)
    if any(None in pair for pair in found):
        raise _bad("The 'expectedStatusCodeRanges' specified are invalid. Each has a min and a max.")
    ranges = tuple((least or 0, most or 0) for least, most in found)
    if any(least > most for least, most in ranges):
        raise _bad("The 'expectedStatusCodeRanges' specified are invalid. A range's min is above its max.")
    return ranges or ONLY_200


def _text(values: Json, name: str) -> str | None:
    """A text; None when it is not sent."""
    sent = values.get(name)
    if sent is not None and not isinstance(sent, str):
        raise _bad(f"The value specified for '{name}' is invalid. A string is expected.")
    return sent


def _places(values: Json) -> tuple[str, ...] | None:
    """Codes of places; None when they are not sent."""
    if (sent := values.get("geoMapping")) is None:
        return None
    if not isinstance(sent, list) or not all(isinstance(item, str) and item for item in sent):
        raise _bad("The 'geoMapping' specified is invalid. A list of geographic codes is expected.")
    return tuple(item.upper() for item in sent)


def _subnets(values: Json) -> tuple[Subnet, ...] | None:
    """Ranges and networks; None when they are not sent."""
    if (sent := values.get("subnets")) is None:
        return None
    if not isinstance(sent, list):
        raise _bad("The 'subnets' specified are invalid. A list is expected.")
    found = []
    for item in sent:
        its = _object(item, "subnets", frozenset({"first", "last", "scope"}))
        one = Subnet(_text(its, "first") or "", _text(its, "last"), _number(its, "scope", 0, 128))
        try:
            one.range()
        except ValueError as error:
            raise _bad(f"The 'subnets' specified are invalid. {error}.") from None
        found.append(one)
    return tuple(found)


# -- endpoints


def _patch_endpoint(call: Call) -> Answer:
    """Change the properties that were sent, and no others."""
    profile = profile_of(call)
    endpoint = endpoint_of(call, profile)
    _check_body(call)
    changed = _with(call, profile, endpoint, properties(call))
    _fitting(call.world, profile, [changed if item is endpoint else item for item in profile.endpoints])
    _take_over(endpoint, changed)
    _note_endpoint(call, profile, endpoint)
    return Answer(endpoint_body(call, profile, endpoint))


def _put_endpoint(call: Call) -> Answer:
    """Create an endpoint, or set one anew: what is not sent has its default again."""
    profile = profile_of(call)
    _check_body(call)
    values, kind = properties(call), _kind_of(call)
    known = _known_endpoint(call, profile)
    if known is not None and known.kind != kind:
        raise _bad(f"The endpoint '{known.name}' exists already with type '{TYPE}/{known.kind}'.")
    name = known.name if known else call.at["endpoint"]
    others = [endpoint for endpoint in profile.endpoints if endpoint is not known]
    fresh = _with(call, profile, EndpointState(name, kind=kind), values)
    fresh.priority = _number(values, "priority", 1, 1000) or _free_priority(others)
    _keep_observed(fresh, known)
    _fitting(
        call.world,
        profile,
        [fresh if endpoint is known else endpoint for endpoint in profile.endpoints]
        + ([] if known else [fresh]),
    )
    if known is None:
        profile.endpoints.append(fresh)
    else:
        _take_over(known, fresh)
    _note_endpoint(call, profile, fresh)
    return Answer(endpoint_body(call, profile, known or fresh), status=200 if known else 201)


def _delete_endpoint(call: Call) -> Answer:
    profile = profile_of(call)
    found = _known_endpoint(call, profile)
    if found is None or found.kind != _kind_of(call):
        return Answer(status=204)
    profile.endpoints.remove(found)
    call.world.note("endpoint-delete", f"{profile.name}/{found.name}", call.who.name)
    return Answer({})


def _check_body(call: Call) -> None:
    """400 for a body that names another endpoint or type than the path does, or what an endpoint does not have."""
    body = _object(call.body, "Endpoint", OF_ENDPOINT)
    name, kind = _text(body, "name"), _kind(body)
    if name is not None and name.lower() != call.at["endpoint"].lower():
        raise _bad(f"The endpoint's name '{name}' is not the one of the path, '{call.at['endpoint']}'.")
    if kind is not None and kind != _kind_of(call):
        raise _bad(f"The endpoint's type '{body['type']}' is not the one of the path.")


def _kind(body: Json) -> EndpointKind | None:
    """The type that a body names, in any casing; None when it names none."""
    if (sent := _text(body, "type")) is None:
        return None
    found = next((kind for kind in KINDS if sent.lower() == f"{TYPE}/{kind}".lower()), None)
    if found is None:
        raise _bad(f"The endpoint type '{sent}' is invalid.")
    return found


def _take_over(known: EndpointState | ProfileState, fresh: EndpointState | ProfileState) -> None:
    """Make the one that others hold like the other one."""
    for field in dataclasses.fields(known):
        setattr(known, field.name, getattr(fresh, field.name))


def _keep_observed(fresh: EndpointState, known: EndpointState | None) -> None:
    """What the prober has seen goes on where the same is probed as before."""
    if known and (known.enabled, known.target_site, known.target) == (
        fresh.enabled,
        fresh.target_site,
        fresh.target,
    ):
        fresh.observed, fresh.failures = known.observed, known.failures


def _note_endpoint(call: Call, profile: ProfileState, endpoint: EndpointState) -> None:
    values = call.body["properties"]
    names = ("endpointStatus", "weight", "priority", "alwaysServe")
    detail = " ".join(f"{name}={values[name]}" for name in names if values.get(name) is not None)
    call.world.note("endpoint-patch", f"{profile.name}/{endpoint.name}", call.who.name, detail)


def _with(call: Call, profile: ProfileState, endpoint: EndpointState, values: Json) -> EndpointState:
    """A copy with the properties that were sent."""
    values = _object(values, "EndpointProperties", ENDPOINT_PROPERTIES)
    after = copy.copy(endpoint)
    status, always = _word(values, "endpointStatus", SWITCH), _word(values, "alwaysServe", SWITCH)
    if status:
        after.enabled = status == "Enabled"
    if always:
        after.always_serve = always == "Enabled"
    found: dict[str, Any] = {
        "weight": _number(values, "weight", 1, 1000),
        "priority": _number(values, "priority", 1, 1000),
        "headers": _headers(values),
        "location": _text(values, "endpointLocation"),
        "places": _places(values),
        "subnets": _subnets(values),
        "least_children": _number(values, "minChildEndpoints", 1, 200),
        "least_ipv4": _number(values, "minChildEndpointsIPv4", 0, 200),
        "least_ipv6": _number(values, "minChildEndpointsIPv6", 0, 200),
    }
    for name, value in found.items():
        if value is not None:
            setattr(after, name, value)
    _aim(call, profile, after, values)
    if (after.enabled, after.target_site, after.target) != (
        endpoint.enabled,
        endpoint.target_site,
        endpoint.target,
    ):
        after.observed, after.failures = "CheckingEndpoint", 0
    return after


def _aim(call: Call, profile: ProfileState, endpoint: EndpointState, values: Json) -> None:
    """Set what the endpoint leads to, by its type; 400 when that leads nowhere."""
    wanted, target = _text(values, "targetResourceId"), _text(values, "target")
    is_nested = endpoint.kind == "nestedEndpoints"
    if not is_nested and any(value.startswith("minChild") and values[value] is not None for value in values):
        raise _bad("The minimum of child endpoints can only be specified for nested endpoints.")
    if is_nested:
        _aim_at_profile(call, profile, endpoint, wanted, target)
    elif endpoint.kind == "azureEndpoints":
        _aim_at_site(call, endpoint, wanted, target)
    else:
        endpoint.target = endpoint.target if target is None else target.strip()
        if wanted is not None or not endpoint.target:
            raise _bad(
                "An external endpoint has a 'target', a name or an address, and no 'targetResourceId'."
            )


def _aim_at_site(call: Call, endpoint: EndpointState, wanted: str | None, target: str | None) -> None:
    if wanted is not None or not endpoint.target_site:
        endpoint.target_site = _site(call, wanted or "").name
    if target is not None and target.lower() != (call.world.target_of(endpoint) or "").lower():
        raise _bad("The 'target' property of an endpoint for an Azure resource is that resource's own.")


def _aim_at_profile(
    call: Call, profile: ProfileState, endpoint: EndpointState, wanted: str | None, target: str | None
) -> None:
    if wanted is not None and wanted.lower() != endpoint.child.lower():
        if wanted.lower() not in {profile.id.lower() for profile in call.world.profiles.values()}:
            raise _bad("The 'targetResourceId' property does not name a profile that exists.")
        endpoint.child, endpoint.target = wanted, ""
    elif wanted is None and target is not None:
        endpoint.target = target
    if not endpoint.child and not endpoint.target:
        raise _bad("A nested endpoint has a 'targetResourceId' or the 'target' of another profile.")
    if endpoint.always_serve:
        raise _bad("'alwaysServe' cannot be enabled for nested endpoints.")
    _no_loop(call.world, profile, endpoint)


def _site(call: Call, wanted: str) -> Site:
    found = next((site for site in call.world.sites.values() if site.id.lower() == wanted.lower()), None)
    if found is None:
        raise _bad("The 'targetResourceId' property is missing or does not name a web app that exists.")
    return found


def _no_loop(world: World, profile: ProfileState, endpoint: EndpointState) -> None:
    level = [world.child_of(endpoint)]
    for _ in range(DEEPEST):
        known = [profile for profile in level if profile is not None]
        if any(item.id.lower() == profile.id.lower() for item in known):
            raise _bad("A profile cannot be nested in itself.")
        level = [world.child_of(nested) for profile in known for nested in profile.endpoints]
    if any(level):
        raise _bad(f"Profiles can be nested up to {DEEPEST} levels deep.")


def _free_priority(others: Iterable[EndpointState]) -> int:
    return max((other.priority for other in others), default=0) + 1


def _fitting(world: World, profile: ProfileState, endpoints: list[EndpointState]) -> None:
    """400 when these endpoints cannot be beside each other."""
    if len(endpoints) > MOST_ENDPOINTS:
        raise _bad(f"A profile can have up to {MOST_ENDPOINTS} endpoints.")
    _unlike("name", [endpoint.name.lower() for endpoint in endpoints])
    _unlike("priority", [str(endpoint.priority) for endpoint in endpoints])
    _unlike("target", [(world.target_of(endpoint) or endpoint.target).lower() for endpoint in endpoints])
    if profile.routing == "Geographic":
        _unlike("geographic region", [place for endpoint in endpoints for place in endpoint.places])
    if profile.routing == "MultiValue":
        for endpoint in endpoints:
            if endpoint.kind != "nestedEndpoints" and ip_version(endpoint.target) is None:
                raise _bad("With MultiValue routing an endpoint's target is an IPv4 or IPv6 address.")
    if profile.routing == "Subnet":
        ranges = sorted(subnet.range() for endpoint in endpoints for subnet in endpoint.subnets)
        if any(after[0] <= before[1] for before, after in itertools.pairwise(ranges)):
            raise _bad("There are multiple endpoints with the same address; subnets must not overlap.")


def _unlike(what: str, values: list[str]) -> None:
    twice = next((name for number, name in enumerate(values) if name in values[:number]), None)
    if twice is not None:
        raise _bad(f"There are multiple endpoints with the same {what}; '{twice}' must be unique.")


# -- profiles


def _patch_profile(call: Call) -> Answer:
    """Change the profile's own properties; its endpoints are changed one by one, or by PUT."""
    profile = profile_of(call)
    body = _object(call.body, "Profile", OF_PROFILE)
    values = _object(body.get("properties"), "ProfileProperties", PROFILE_PROPERTIES)
    if "endpoints" in values:
        raise _bad(
            "The 'endpoints' property cannot be specified when updating a profile using PATCH. Please use PUT to "
            "update the profile instead."
        )
    changed = _profile_with(call, profile, values, body)
    _fitting(call.world, changed, changed.endpoints)
    _take_over(profile, changed)
    call.world.note("profile-put", profile.name, call.who.name)
    return Answer(profile_body(call, profile))


def _profile_with(call: Call, profile: ProfileState, values: Json, body: Json) -> ProfileState:
    """A copy with the properties that were sent."""
    monitor = _object(values.get("monitorConfig"), "MonitorConfig", MONITOR_PROPERTIES)
    dns = _object(values.get("dnsConfig"), "DnsConfig", DNS_PROPERTIES)
    _named_alike(call, body)
    after = copy.copy(profile)
    found: dict[str, Any] = {
        "routing": _word(values, "trafficRoutingMethod", ROUTINGS),
        "most_answers": _number(values, "maxReturn", 1, 8),
        "record_type": _word(values, "recordType", RECORDS),
        "record_types": _record_types(values),
        "ttl": _number(dns, "ttl", 0, 2**31 - 1),
        "protocol": _word(monitor, "protocol", PROTOCOLS),
        "port": _number(monitor, "port", 1, 65535),
        "path": _text(monitor, "path"),
        "interval": _interval(monitor),
        "tolerated": _number(monitor, "toleratedNumberOfFailures", 0, 9),
        "timeout": _number(monitor, "timeoutInSeconds", 5, 10),
        "expected": _expected(monitor),
        "headers": _headers(monitor),
        "tags": _tags(body),
        "relative_name": _relative_name(call, profile, dns),
    }
    for name, value in found.items():
        if value is not None:
            setattr(after, name, value)
    if status := _word(values, "profileStatus", SWITCH):
        after.enabled = status == "Enabled"
    if view := _word(values, "trafficViewEnrollmentStatus", SWITCH):
        after.traffic_view = view == "Enabled"
    if found["interval"] == FAST and found["timeout"] is None and after.timeout > FAST_TIMEOUT:
        after.timeout = FAST_TIMEOUT
    if after.interval == FAST and after.timeout > FAST_TIMEOUT:
        raise _bad(
            f"With an interval of {FAST} seconds, 'timeoutInSeconds' must be from 5 to {FAST_TIMEOUT}."
        )
    if after.protocol == "TCP" and found["path"]:
        raise _bad("The 'path' cannot be specified for the TCP protocol.")
    return after


FAST, FAST_TIMEOUT = 10, 9  # seconds: the short interval, and the longest timeout beside it


def _named_alike(call: Call, body: Json) -> None:
    name, kind, location = _text(body, "name"), _text(body, "type"), _text(body, "location")
    if name is not None and name.lower() != call.at["profile"].lower():
        raise _bad(f"The profile's name '{name}' is not the one of the path, '{call.at['profile']}'.")
    if kind is not None and kind.lower() != TYPE.lower():
        raise _bad(f"The type '{kind}' is not '{TYPE}'.")
    if location is not None and location.lower() != "global":
        raise _bad(f"The location '{location}' is invalid. Profiles are 'global'.")


def _record_types(values: Json) -> tuple[str, ...] | None:
    if (sent := values.get("allowedEndpointRecordTypes")) is None:
        return None
    if not isinstance(sent, list):
        raise _bad("The 'allowedEndpointRecordTypes' specified are invalid. A list is expected.")
    return tuple(
        _word({"allowedEndpointRecordTypes": item}, "allowedEndpointRecordTypes", ALIASES) or ""
        for item in sent
    )


def _tags(body: Json) -> dict[str, str] | None:
    if (sent := body.get("tags")) is None:
        return None
    if not isinstance(sent, dict) or not all(isinstance(item, str) for item in sent.values()):
        raise _bad("The 'tags' specified are invalid. An object of strings is expected.")
    return dict(sent)


def _relative_name(call: Call, profile: ProfileState, dns: Json) -> str | None:
    """The profile's DNS name without its zone, which nobody else has; it stays as it was made."""
    sent = _text(dns, "relativeName")
    if sent is None:
        return None
    taken = [item for item in call.world.profiles.values() if item.id != profile.id]
    if any(sent.lower() == (profile.relative_name or profile.name).lower() for profile in taken):
        fqdn = f"{sent}.{profile.zone}"
        message = f"Domain name {fqdn} already exists. Please choose a different DNS prefix."
        raise ArmError(409, "Conflict", message)
    is_known = any(item is profile for item in call.world.profiles.values())
    if is_known and sent.lower() != (profile.relative_name or profile.name).lower():
        raise _bad("The 'relativeName' of a profile cannot be changed.")
    return sent


def _interval(monitor: Json) -> int | None:
    sent = monitor.get("intervalInSeconds")
    if sent not in (None, 10, 30):
        raise _bad(f"The value '{sent}' specified for 'intervalInSeconds' is invalid. Valid values: 10, 30.")
    return sent if sent is None else int(sent)


def _put_profile(call: Call) -> Answer:
    """Set a profile anew, endpoints included: what is not sent is gone, or has its default again."""
    group = group_name(call)
    body = _object(call.body, "Profile", OF_PROFILE)
    values = _object(properties(call), "ProfileProperties", PROFILE_PROPERTIES)
    known = _known_profile(call, group)
    blank = ProfileState(
        known.name if known else call.at["profile"], group, [],
        protocol="HTTP", port=80, path="/", interval=30.0, timeout=10.0, tolerated=3, ttl=60,
        subscription=call.at["subscription"].lower(),
        relative_name=known.relative_name if known else "",
    )  # fmt: skip
    if known is not None:
        dns = _object(values.get("dnsConfig"), "DnsConfig", DNS_PROPERTIES)
        _relative_name(call, known, dns)
    fresh = _profile_with(call, blank, values, body)
    fresh.endpoints = _from_bodies(call, known or fresh, values.get("endpoints"))
    _fitting(call.world, fresh, fresh.endpoints)
    if known is None:
        taken = fresh.name in call.world.profiles
        call.world.profiles[fresh.id if taken else fresh.name] = fresh
    else:
        _take_over(known, fresh)
    call.world.note("profile-put", fresh.name, call.who.name)
    return Answer(profile_body(call, known or fresh), status=200 if known else 201)


def _from_bodies(call: Call, profile: ProfileState, sent: Any) -> list[EndpointState]:
    """The endpoints of a profile's body; those without a priority come after the others, in their order."""
    if sent is None:
        return []
    if not isinstance(sent, list):
        raise _bad("The 'endpoints' specified are invalid. A list is expected.")
    found = [_from_body(call, profile, item) for item in sent]
    given = [endpoint for endpoint in found if endpoint.priority]
    for endpoint in found:
        if not endpoint.priority:
            endpoint.priority = _free_priority(given)
            given.append(endpoint)
    return found


def _from_body(call: Call, profile: ProfileState, item: Any) -> EndpointState:
    body = _object(item, "Endpoint", OF_ENDPOINT)
    name = body.get("name")
    if not isinstance(name, str) or not name.strip():
        raise _bad(
            f"Endpoint name '{name or ''}' is invalid. Endpoint names cannot be empty or all whitespace, and must be "
            "up to 260 alphanumeric characters long."
        )
    kind = _kind(body)
    if kind is None:
        raise _bad(f"The type of endpoint '{name}' is missing.")
    known = next(
        (
            endpoint
            for endpoint in profile.endpoints
            if endpoint.name.lower() == name.lower() and endpoint.kind == kind
        ),
        None,
    )
    blank = EndpointState(known.name if known else name, kind=kind, priority=0)
    fresh = _with(call, profile, blank, body.get("properties") or {})
    _keep_observed(fresh, known)
    return fresh


def _delete_profile(call: Call) -> Answer:
    """Gone, and with it its name; another profile that nests it keeps it from going."""
    known = _known_profile(call, group_name(call))
    if known is None:
        return Answer(status=204)
    parents = [
        profile
        for profile in call.world.profiles.values()
        for its in profile.endpoints
        if call.world.child_of(its) is known
    ]
    if parents:
        raise _bad(f"The profile '{known.name}' is nested in '{parents[0].name}' and cannot be deleted.")
    call.world.profiles = {
        key: profile for key, profile in call.world.profiles.items() if profile is not known
    }
    call.world.note("profile-delete", known.name, call.who.name)
    return Answer({})


def _name_available(call: Call) -> Answer:
    """Return whether a relative name is free."""
    body = _object(
        call.body, "CheckTrafficManagerRelativeDnsNameAvailabilityParameters", frozenset({"name", "type"})
    )
    name = _text(body, "name") or ""
    taken = [
        profile
        for profile in call.world.profiles.values()
        if (profile.relative_name or profile.name).lower() == name.lower()
    ]
    found: Json = {"name": name, "type": TYPE, "nameAvailable": not taken}
    if taken:
        message = f"Domain name {taken[0].fqdn} already exists. Please choose a different DNS prefix."
        found |= {"reason": "AlreadyExists", "message": message}
    return Answer(found)


# -- beside profiles

EARTH: Mapping[
    str, tuple[str, Mapping[str, str]]
] = {  # a part of Azure's hierarchy: groupings, and some countries
    "GEO-AF": ("Africa", {"ZA": "South Africa"}),
    "GEO-AP": ("Australia / Pacific", {"AU": "Australia"}),
    "GEO-AS": ("Asia", {"IN": "India", "JP": "Japan"}),
    "GEO-EU": ("Europe", {"DE": "Germany", "FR": "France", "GB": "United Kingdom", "IE": "Ireland"}),
    "GEO-ME": ("Middle East", {"AE": "United Arab Emirates"}),
    "GEO-NA": ("North America / Central America / Caribbean", {"CA": "Canada", "US": "United States"}),
    "GEO-SA": ("South America", {"BR": "Brazil"}),
}


def _hierarchy(call: Call) -> Answer:
    """The places that Geographic routing knows."""
    regions = [
        {"code": code, "name": name, "regions": [_place(its, of) for its, of in inner.items()]}
        for code, (name, inner) in EARTH.items()
    ]
    return Answer({
        "id": call.path,
        "type": f"Microsoft.Network/{HIERARCHIES}",
        "name": "default",
        "properties": {"geographicHierarchy": {"code": "WORLD", "name": "World", "regions": regions}},
    })  # fmt: skip


def _place(code: str, name: str) -> Json:
    return {"code": code, "name": name, "regions": []}


def _heat_map(call: Call) -> Answer:
    """Nobody measured anything; the endpoints are known."""
    profile = profile_of(call)
    endpoints = [
        {"resourceId": f"{profile.id}/{endpoint.kind}/{endpoint.name}", "endpointId": number}
        for number, endpoint in enumerate(profile.endpoints)
    ]
    values: Json = {"startTime": None, "endTime": None, "endpoints": endpoints, "trafficFlows": []}
    return Answer({
        "id": f"{profile.id}/heatMaps/default", "name": "default", "type": f"{TYPE}/heatMaps", "properties": values,
    })  # fmt: skip


def _metrics_key(call: Call) -> Answer:
    """The subscription's key for real user measurements: made, read or thrown away."""
    keys, subscription = call.world.user_metrics_keys, call.at["subscription"].lower()
    if call.method == "DELETE":
        return Answer({}) if keys.pop(subscription, None) else Answer(status=204)
    is_new = call.method == "PUT" and subscription not in keys
    if is_new:
        keys[subscription] = new_version()
    body = {
        "id": f"/subscriptions/{subscription}/providers/Microsoft.Network/{METRICS}/default",
        "name": "default",
        "type": f"Microsoft.Network/{METRICS}",
        "properties": {"key": keys.get(subscription)},
    }
    return Answer(body, status=201 if is_new else 200)


READ = f"{TYPE}/read"
WRITE = f"{TYPE}/write"
DELETE = f"{TYPE}/delete"
HIERARCHIES, METRICS = "trafficManagerGeographicHierarchies", "trafficManagerUserMetricsKeys"
METRICS_KEY = f"{SUBSCRIPTION}/providers/Microsoft.Network/{METRICS}/default"
CHECK = "checkTrafficManagerNameAvailability"
OPERATIONS = (
    Operation("GET", f"{SUBSCRIPTION}/providers/{TYPE}", TYPE, READ, _profiles),
    Operation("GET", f"{GROUP}/providers/{TYPE}", TYPE, READ, _profiles),
    Operation("GET", PROFILE, TYPE, READ, _one_profile),
    Operation("PATCH", PROFILE, TYPE, WRITE, _patch_profile),
    Operation("PUT", PROFILE, TYPE, WRITE, _put_profile),
    Operation("DELETE", PROFILE, TYPE, DELETE, _delete_profile),
    *(
        Operation(method, f"{PROFILE}/{kind}/{{endpoint}}", TYPE, f"{TYPE}/{kind}/{right}", answer)
        for kind in KINDS
        for method, right, answer in (
            ("GET", "read", _one_endpoint),
            ("PATCH", "write", _patch_endpoint),
            ("PUT", "write", _put_endpoint),
            ("DELETE", "delete", _delete_endpoint),
        )
    ),
    Operation("GET", f"{PROFILE}/heatMaps/default", TYPE, f"{TYPE}/heatMaps/read", _heat_map),
    Operation("GET", f"/providers/Microsoft.Network/{HIERARCHIES}/default", TYPE, "", _hierarchy),
    *(
        Operation(method, METRICS_KEY, TYPE, f"Microsoft.Network/{METRICS}/{right}", _metrics_key)
        for method, right in (("GET", "read"), ("PUT", "write"), ("DELETE", "delete"))
    ),
    Operation("POST", f"/providers/Microsoft.Network/{CHECK}", TYPE, "", _name_available),
    Operation("POST", f"{SUBSCRIPTION}/providers/Microsoft.Network/{CHECK}V2", TYPE, "", _name_available),
)
