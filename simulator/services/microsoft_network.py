"""Microsoft.Network/trafficManagerProfiles: profiles, and their endpoints of type Azure endpoint.

What is not imitated: external and nested endpoints, deleting, geographic hierarchies and Traffic View.
"""

from collections.abc import Callable, Mapping
from typing import Any

from simulator.arm import Answer, ArmError, Call, Json, Operation, group_name, not_found, page, properties
from simulator.services.microsoft_resources import GROUP, SUBSCRIPTION
from simulator.world import EndpointState, ProfileState, Site

VERSIONS = (
    "2015-11-01", "2017-03-01", "2017-05-01", "2018-02-01", "2018-03-01", "2018-04-01", "2018-08-01",
    "2022-04-01", "2022-04-01-preview", "2024-04-01-preview", "2026-09-01",
)  # fmt: skip
TYPE = "Microsoft.Network/trafficManagerProfiles"
PROFILE = f"{GROUP}/providers/{TYPE}/{{profile}}"
ENDPOINT = f"{PROFILE}/azureEndpoints/{{endpoint}}"
ROUTINGS = ("Performance", "Priority", "Weighted", "Geographic", "MultiValue", "Subnet")
PROTOCOLS = ("HTTP", "HTTPS", "TCP")
SWITCH = ("Enabled", "Disabled")
ONLY_200 = ((200, 200),)  # statuses that are up unless a profile says others
MOST_DETAILS = 8  # custom headers, and ranges of expected statuses


# Reading


def profile_of(call: Call) -> ProfileState:
    """The profile that the path names, in any casing; 404 when there is none."""
    group = group_name(call)
    wanted = (group.lower(), call.at["profile"].lower())
    for profile in call.world.profiles.values():
        if (profile.resource_group.lower(), profile.name.lower()) == wanted:
            return profile
    raise not_found(TYPE, call.at["profile"], group)


def endpoint_of(call: Call, profile: ProfileState) -> EndpointState:
    """The endpoint that the path names, in any casing; 404 when there is none."""
    wanted = call.at["endpoint"].lower()
    for endpoint in profile.endpoints:
        if endpoint.name.lower() == wanted:
            return endpoint
    raise not_found(f"{TYPE}/azureEndpoints", f"{profile.name}/{call.at['endpoint']}", profile.resource_group)


def profile_body(call: Call, profile: ProfileState) -> Json:
    """A profile with its endpoints, as GET answers it."""
    values: Json = {
        "profileStatus": _switch(on=profile.enabled),
        "trafficRoutingMethod": profile.routing,
        "dnsConfig": {"relativeName": profile.name, "fqdn": profile.fqdn, "ttl": profile.ttl},
        "monitorConfig": {
            "profileMonitorStatus": call.world.profile_status(profile),
            "protocol": profile.protocol,
            "port": profile.port,
            "path": profile.path,
            "intervalInSeconds": int(profile.interval),
            "toleratedNumberOfFailures": profile.tolerated,
            "timeoutInSeconds": int(profile.timeout),
            **_probe_details(call, profile),
        },
        "endpoints": [endpoint_body(call, profile, endpoint) for endpoint in profile.endpoints],
    }
    if call.version >= "2018-03-01":
        values |= {"trafficViewEnrollmentStatus": "Disabled", "maxReturn": None}
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
    values: Json = {
        "endpointStatus": _switch(on=endpoint.enabled),
        "endpointMonitorStatus": call.world.monitor_status(profile, endpoint),
        "targetResourceId": site.id if site else None,
        "target": site.host if site else None,
        "weight": endpoint.weight,
        "priority": endpoint.priority,
        "endpointLocation": site.location if site else None,
    }
    if call.version >= "2022-04-01":
        values["alwaysServe"] = _switch(on=endpoint.always_serve)
    if call.version >= "2018-03-01":
        values["customHeaders"] = _headers_body(endpoint.headers)
    return {
        "id": f"{profile.id}/azureEndpoints/{endpoint.name}",
        "name": endpoint.name,
        "type": f"{TYPE}/azureEndpoints",
        "properties": values,
    }


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


# Writing: what a body may hold, and what becomes of it


def _bad(message: str) -> ArmError:
    return ArmError(400, "BadRequest", message)


type Change = Callable[[], None]


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
    return {str(it.get("name", "")): str(it.get("value", "")) for it in sent if isinstance(it, dict)}


def _expected(monitor: Json) -> tuple[tuple[int, int], ...] | None:
    """Expected statuses, at most eight ranges; None when they are not sent."""
    if (sent := monitor.get("expectedStatusCodeRanges")) is None:
        return None
    if not isinstance(sent, list) or len(sent) > MOST_DETAILS:
        raise _bad(
            f"The 'expectedStatusCodeRanges' specified are invalid. There can be up to {MOST_DETAILS}."
        )
    found = tuple((_number(it, "min", 100, 999), _number(it, "max", 100, 999)) for it in sent)
    ranges = tuple((least or 0, most or 0) for least, most in found)
    if any(least > most for least, most in ranges):
        raise _bad("The 'expectedStatusCodeRanges' specified are invalid. A range's min is above its max.")
    return ranges or ONLY_200


def _patch_endpoint(call: Call) -> Answer:
    """Change the fields that were sent, and no others."""
    profile = profile_of(call)
    endpoint = endpoint_of(call, profile)
    _change_endpoint(call, profile, endpoint, properties(call))
    return Answer(endpoint_body(call, profile, endpoint))


def _change_endpoint(call: Call, profile: ProfileState, endpoint: EndpointState, values: Json) -> None:
    status = _word(values, "endpointStatus", SWITCH)
    weight, priority = _number(values, "weight", 1, 1000), _number(values, "priority", 1, 1000)
    always, headers = _word(values, "alwaysServe", SWITCH), _headers(values)
    if any(priority == other.priority for other in profile.endpoints if other is not endpoint):
        raise _bad("There are multiple endpoints with the same priority; priorities must be unique.")
    if status and endpoint.enabled != (status == "Enabled"):
        endpoint.enabled = status == "Enabled"
        endpoint.observed, endpoint.failures = "CheckingEndpoint", 0
    endpoint.weight = weight or endpoint.weight
    endpoint.priority = priority or endpoint.priority
    endpoint.always_serve = always == "Enabled" if always else endpoint.always_serve
    endpoint.headers = endpoint.headers if headers is None else headers
    sent = {"endpointStatus": status, "weight": weight, "priority": priority, "alwaysServe": always}
    detail = " ".join(f"{name}={value}" for name, value in sent.items() if value is not None)
    call.world.note("endpoint-patch", f"{profile.name}/{endpoint.name}", call.who.name, detail)


def _put_endpoint(call: Call) -> Answer:
    """Create an endpoint for a web app, or set one anew."""
    profile = profile_of(call)
    values = properties(call)
    known = next((it for it in profile.endpoints if it.name.lower() == call.at["endpoint"].lower()), None)
    target = _target(call, values)
    if any(it.target_site == target.name for it in profile.endpoints if it is not known):
        raise _bad(f"The target '{target.id}' is already used by another endpoint of the profile.")
    endpoint = known or EndpointState(call.at["endpoint"], target.name, priority=_free_priority(profile))
    endpoint.target_site = target.name
    _change_endpoint(call, profile, endpoint, values)
    if known is None:
        profile.endpoints.append(endpoint)
    return Answer(endpoint_body(call, profile, endpoint), status=200 if known else 201)


def _target(call: Call, values: Json) -> Site:
    wanted = str(values.get("targetResourceId") or "").lower()
    found = next((site for site in call.world.sites.values() if site.id.lower() == wanted), None)
    if found is None:
        raise _bad("The 'targetResourceId' property is missing or does not name a web app that exists.")
    return found


def _free_priority(profile: ProfileState) -> int:
    return max((it.priority for it in profile.endpoints), default=0) + 1


def _patch_profile(call: Call) -> Answer:
    """Change the profile's own fields; its endpoints are changed one by one, or by PUT."""
    profile = profile_of(call)
    values = call.body.get("properties") or {} if isinstance(call.body, dict) else {}
    if "endpoints" in values:
        raise _bad(
            "The 'endpoints' property cannot be specified when updating a profile using PATCH. Please use PUT to "
            "update the profile instead."
        )
    _change_profile(call, profile, values)
    return Answer(profile_body(call, profile))


def _change_profile(call: Call, profile: ProfileState, values: Json) -> None:
    monitor, dns = values.get("monitorConfig") or {}, values.get("dnsConfig") or {}
    found: dict[str, Any] = {
        "routing": _word(values, "trafficRoutingMethod", ROUTINGS),
        "ttl": _number(dns, "ttl", 0, 2**31 - 1),
        "protocol": _word(monitor, "protocol", PROTOCOLS),
        "port": _number(monitor, "port", 1, 65535),
        "path": monitor.get("path"),
        "interval": _interval(monitor),
        "tolerated": _number(monitor, "toleratedNumberOfFailures", 0, 9),
        "timeout": _number(monitor, "timeoutInSeconds", 5, 10),
        "expected": _expected(monitor),
        "headers": _headers(monitor),
    }
    if status := _word(values, "profileStatus", SWITCH):
        profile.enabled = status == "Enabled"
    for name, value in found.items():
        if value is not None:
            setattr(profile, name, value)
    if isinstance(tags := call.body.get("tags"), dict):
        profile.tags = {str(name): str(value) for name, value in tags.items()}
    call.world.note("profile-put", profile.name, call.who.name)


def _interval(monitor: Json) -> int | None:
    sent = monitor.get("intervalInSeconds")
    if sent not in (None, 10, 30):
        raise _bad(f"The value '{sent}' specified for 'intervalInSeconds' is invalid. Valid values: 10, 30.")
    return sent if sent is None else int(sent)


def _put_profile(call: Call) -> Answer:
    """Set a profile anew, endpoints included: those that are not sent are gone."""
    group = group_name(call)
    values = properties(call)
    known = next((it for it in call.world.profiles.values() if _is_at(it, group, call.at["profile"])), None)
    profile = known or ProfileState(call.at["profile"], group, [])
    endpoints = [_from_body(call, profile, item) for item in values.get("endpoints") or []]
    _change_profile(call, profile, values)
    profile.endpoints = endpoints
    call.world.profiles[profile.name] = profile
    return Answer(profile_body(call, profile), status=200 if known else 201)


def _is_at(profile: ProfileState, group: str, name: str) -> bool:
    return (profile.resource_group.lower(), profile.name.lower()) == (group.lower(), name.lower())


def _from_body(call: Call, profile: ProfileState, item: Any) -> EndpointState:
    name = item.get("name") if isinstance(item, dict) else None
    if not isinstance(name, str) or not name.strip():
        raise _bad(
            f"Endpoint name '{name or ''}' is invalid. Endpoint names cannot be empty or all whitespace, and must be "
            "up to 260 alphanumeric characters long."
        )
    values = item.get("properties") or {}
    known = next((it for it in profile.endpoints if it.name.lower() == name.lower()), None)
    target = _target(call, values)
    enabled = (_word(values, "endpointStatus", SWITCH) or "Enabled") == "Enabled"
    went_on = known is not None and known.enabled == enabled and known.target_site == target.name
    return EndpointState(
        known.name if known else name,
        target.name,
        enabled=enabled,
        weight=_number(values, "weight", 1, 1000) or 1,
        priority=_number(values, "priority", 1, 1000) or _free_priority(profile),
        always_serve=_word(values, "alwaysServe", SWITCH) == "Enabled",
        headers=_headers(values) or {},
        observed=known.observed if known and went_on else "CheckingEndpoint",
    )


READ = "Microsoft.Network/trafficManagerProfiles/read"
WRITE = "Microsoft.Network/trafficManagerProfiles/write"
READ_ENDPOINT = "Microsoft.Network/trafficManagerProfiles/azureEndpoints/read"
WRITE_ENDPOINT = "Microsoft.Network/trafficManagerProfiles/azureEndpoints/write"
OPERATIONS = (
    Operation("GET", f"{SUBSCRIPTION}/providers/{TYPE}", TYPE, READ, _profiles),
    Operation("GET", f"{GROUP}/providers/{TYPE}", TYPE, READ, _profiles),
    Operation("GET", PROFILE, TYPE, READ, _one_profile),
    Operation("PATCH", PROFILE, TYPE, WRITE, _patch_profile),
    Operation("PUT", PROFILE, TYPE, WRITE, _put_profile),
    Operation("GET", ENDPOINT, TYPE, READ_ENDPOINT, _one_endpoint),
    Operation("PATCH", ENDPOINT, TYPE, WRITE_ENDPOINT, _patch_endpoint),
    Operation("PUT", ENDPOINT, TYPE, WRITE_ENDPOINT, _put_endpoint),
)
