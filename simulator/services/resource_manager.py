"""Resource Manager over HTTPS: takes a request through sign-in, versions, limits, permissions and faults.

The operations themselves are in `microsoft_resources`, `microsoft_web` and `microsoft_network`. The order of the
checks is Azure's: who are you, is there such a thing, not too fast, may you, then the operation.
"""

import asyncio
import contextlib
import math
import re
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from simulator.arm import Answer, ArmError, Call, Json, Operation, page
from simulator.premises import LOOPBACK, Premises, Request, listening
from simulator.services import microsoft_network, microsoft_resources, microsoft_web
from simulator.tokens import Principal, TokenRefused
from simulator.wire import parsed, refusing

AUDIENCES = ("https://management.core.windows.net/", "https://management.azure.com/")

# Resource type -> the api-versions it is served with.
VERSIONS: Mapping[str, tuple[str, ...]] = {
    "Microsoft.Resources/subscriptions": microsoft_resources.SUBSCRIPTION_VERSIONS,
    "Microsoft.Resources/tenants": microsoft_resources.SUBSCRIPTION_VERSIONS,
    "Microsoft.Resources/resourceGroups": microsoft_resources.GROUP_VERSIONS,
    "Microsoft.Resources/providers": microsoft_resources.GROUP_VERSIONS,
    microsoft_web.TYPE: microsoft_web.VERSIONS,
    microsoft_network.TYPE: microsoft_network.VERSIONS,
}


@contextlib.asynccontextmanager
async def serve(cloud: Premises) -> AsyncIterator[None]:
    """Resource Manager on its own port; valid for 127.0.0.1 and localhost."""
    tls = cloud.authority.server_context(LOOPBACK, "localhost", "management.test")
    async with listening(routes(cloud), tls=tls) as cloud.arm_url:
        cloud.tokens.audiences.update(_audiences(cloud))
        yield


def _audiences(cloud: Premises) -> tuple[str, ...]:
    own = (cloud.arm_url, cloud.arm_url.replace(LOOPBACK, "localhost"))
    return (*own, *(audience.rstrip("/") for audience in AUDIENCES))


def routes(cloud: Premises) -> web.Application:
    """The metadata for clients that register this cloud, and everything else as operations."""

    async def metadata(request: web.Request) -> web.Response:
        version = request.query.get("api-version", "")
        if not version:
            return _response(_missing_version(), cloud, request)
        return web.json_response(microsoft_resources.metadata(cloud, version))

    def unread(request: web.Request, status: int, message: str) -> web.Response:
        return _response(ArmError(status, UNREAD.get(status, "BadRequest"), message), cloud, request)

    app = web.Application(
        middlewares=[refusing(unread)],
        client_max_size=4 * 2**20,  # bytes; Azure's own limit for a request
    )
    app.router.add_get("/metadata/endpoints", metadata)
    app.router.add_route("*", "/{path:.*}", _Front(cloud).answer)
    return app


class _Front:
    """One request after the other, through the checks."""

    def __init__(self, cloud: Premises) -> None:
        self._cloud: Final = cloud
        self._limits: Final = Limits(cloud)

    async def answer(self, request: web.Request) -> web.Response:
        """Whatever happens, an answer in Azure's shape with Azure's headers."""
        path = re.sub(r"/{2,}", "/", request.path)
        who: Principal | None = None
        limited: dict[str, str] = {}
        try:
            who = self._signed_in(request)
            operation, at = self._operation(request, path)
            limited = self._limits.spend(who, request.method, at.get("subscription", ""), operation.type)
            self._allow(who, operation, path)
            body = await _content(request)
            call = Call(
                cloud=self._cloud,
                who=who,
                method=request.method,
                path=path,
                version=request.query["api-version"],
                at=at,
                query=request.query,
                body=body,
            )
            answer: Answer | ArmError = await self._perform(call, operation)
        except ArmError as error:
            answer = error
        self._cloud.requests.append(
            Request(self._cloud.world.now(), who.name if who else "", request.method, path, answer.status)
        )
        return _response(answer, self._cloud, request, limited)

    def _signed_in(self, request: web.Request) -> Principal:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if not token or kind.lower() != "bearer":
            raise self._not_signed_in(
                "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing."
            )
        try:
            return self._cloud.tokens.verify(token, _audiences(self._cloud))
        except TokenRefused as refused:
            raise self._not_signed_in(refused.code, str(refused)) from None

    def _not_signed_in(self, code: str, message: str) -> ArmError:
        challenge = (
            f'Bearer authorization_uri="{self._cloud.login_url}/{self._cloud.tenant}", error="invalid_token", '
            f'error_description="{message}"'
        )
        return ArmError(401, code, message, headers={"WWW-Authenticate": challenge})

    def _operation(self, request: web.Request, path: str) -> tuple[Operation, Mapping[str, str]]:
        """The operation of a path with what the path names; the refusals for paths and versions."""
        version = request.query.get("api-version", "")
        if not version:
            raise _missing_version()
        matches = [
            (operation, found) for operation in OPERATIONS if (found := operation.pattern.fullmatch(path))
        ]
        if not matches:
            raise _unknown_path(path, version)
        self._known_subscription(matches[0][1].groupdict())
        _supported_version(matches[0][0].type, version)
        for operation, found in matches:
            if operation.method == request.method:
                return operation, found.groupdict()
        raise ArmError(
            405,
            "MethodNotAllowed",
            f"The requested resource does not support http method '{request.method}'.",
        )

    def _known_subscription(self, at: Mapping[str, str]) -> None:
        if (wanted := at.get("subscription")) is None:
            return
        try:
            uuid.UUID(wanted)
        except ValueError:
            raise ArmError(
                400,
                "InvalidSubscriptionId",
                f"The provided subscription identifier '{wanted}' is malformed or invalid.",
            ) from None
        if wanted.lower() not in self._cloud.world.subscriptions:
            raise ArmError(404, "SubscriptionNotFound", f"The subscription '{wanted}' could not be found.")

    def _allow(self, who: Principal, operation: Operation, path: str) -> None:
        if not operation.action or self._cloud.may(who, operation.action, of_one=operation.of_one):
            return
        raise ArmError(
            403,
            "AuthorizationFailed",
            f"The client '{who.app_id}' with object id '{who.object_id}' does not have authorization to perform "
            f"action '{operation.action}' over scope '{path}' or the scope is invalid. If access was recently "
            "granted, please refresh your credentials.",
        )

    async def _perform(self, call: Call, operation: Operation) -> Answer:
        faults = call.world.arm
        if faults.delay:
            await asyncio.sleep(faults.delay)
        status = next((it for rule in tuple(faults.rules) if (it := rule(call.method, call.path))), None)
        if status and not faults.after_effect:
            raise _fault(status, faults.retry_after)
        answer = operation.answer(call)
        if status:
            raise _fault(status, faults.retry_after)
        return answer


# Refusals


def _missing_version() -> ArmError:
    return ArmError(
        400,
        "MissingApiVersionParameter",
        "The api-version query parameter (?api-version=) is required for all requests.",
    )


def _supported_version(kind: str, version: str) -> None:
    supported = VERSIONS[kind]
    if version in supported:
        return
    listed = ",".join(reversed(supported))
    namespace, name = kind.split("/", 1)
    if namespace == "Microsoft.Resources" or not re.fullmatch(r"\d{4}-\d\d-\d\d(-\w+)?", version):
        raise ArmError(
            400,
            "InvalidApiVersionParameter",
            f"The api-version '{version}' is invalid. The supported versions are '{listed}'.",
        )
    raise ArmError(
        404,
        "InvalidResourceType",
        f"The resource type '{name}' could not be found in the namespace '{namespace}' for api version "
        f"'{version}'. The supported api-versions are '{listed}'.",
    )


def _unknown_path(path: str, version: str) -> ArmError:
    found = re.search(r"/providers/([^/]+)(?:/(.*))?$", path, re.IGNORECASE)
    if not found:
        return ArmError(
            404,
            "MissingSubscription",
            "The request did not have a subscription or a valid tenant level resource provider.",
        )
    namespace = found[1]
    if not any(kind.lower().startswith(f"{namespace.lower()}/") for kind in VERSIONS):
        return ArmError(404, "InvalidResourceNamespace", f"The resource namespace '{namespace}' is invalid.")
    kinds = "/".join((found[2] or "").split("/")[::2])
    return ArmError(
        404,
        "InvalidResourceType",
        f"The resource type '{kinds}' could not be found in the namespace '{namespace}' for api version "
        f"'{version}'.",
    )


FAULTS: Mapping[int, tuple[str, str]] = {
    403: ("AuthorizationFailed", "The client does not have authorization to perform the action."),
    404: ("ResourceNotFound", "The resource was not found."),
    408: ("RequestTimeout", "The request timed out."),
    409: ("Conflict", "Cannot modify this resource because another operation is in progress."),
    429: ("TooManyRequests", "The request is being throttled. Please try again later."),
    500: ("InternalServerError", "Encountered internal server error."),
    502: ("BadGateway", "The gateway did not receive a response from the resource provider."),
    503: ("ServerUnavailable", "The service is unavailable now. Please try again later."),
    504: ("GatewayTimeout", "The gateway did not receive a response within the specified time period."),
}


def _fault(status: int, retry_after: int) -> ArmError:
    code, message = FAULTS.get(status, ("InternalServerError", "Encountered internal server error."))
    headers = {"Retry-After": str(retry_after)} if status in {429, 503} else {}
    return ArmError(status, code, message, headers=headers)


async def _content(request: web.Request) -> Any:
    """The JSON of a request, None when it has no body; 400 when it is not JSON in UTF-8."""
    sent = await request.read()
    if not sent:
        return None
    try:
        return parsed(sent)
    except ValueError as error:
        raise ArmError(
            400,
            "InvalidRequestContent",
            f"The request content was invalid and could not be deserialized: '{error}'.",
        ) from None


# What the web server itself refuses. The code for what is too large is assumed: no page was found that names it.
UNREAD = {404: "NotFound", 405: "MethodNotAllowed", 413: "RequestContentTooLarge"}


# Limits


@dataclass
class Bucket:
    """A token bucket: what fits, what comes back a second, what is left, and when it was looked at."""

    size: float
    refill: float
    left: float
    at: float

    def take(self, now: float) -> float | None:
        """Take one; None when there was one, else the seconds until there is."""
        self.left = min(self.size, self.left + (now - self.at) * self.refill)
        self.at = now
        if self.left < 1:
            return (1 - self.left) / self.refill
        self.left -= 1
        return None


# (size, refill a second), for one principal in one subscription or tenant, and what all principals share.
RATES: Mapping[str, tuple[float, float]] = {"reads": (250, 25), "writes": (200, 10), "deletes": (200, 10)}
SHARED = 15  # times the above for all principals of a subscription together
NETWORK: Mapping[str, tuple[float, float]] = {"reads": (10_000, 10_000 / 300), "writes": (1_000, 1_000 / 300)}


class Limits:
    """The documented token buckets. They are always counted, and enforced when the world says `throttle`."""

    def __init__(self, cloud: Premises) -> None:
        self._world = cloud.world
        self._buckets: dict[tuple[str, ...], Bucket] = {}

    def spend(self, who: Principal, method: str, subscription: str, kind: str) -> dict[str, str]:
        """Count one request; the headers that say what is left. ArmError 429 when nothing was."""
        operation = {"GET": "reads", "HEAD": "reads", "DELETE": "deletes"}.get(method, "writes")
        scope = "subscription" if subscription else "tenant"
        place = subscription.lower() or "tenant"
        size, refill = RATES[operation]
        wanted = [
            ((who.object_id, place, operation), size, refill),
            (("*", place, operation), size * SHARED, refill * SHARED),
        ]
        if kind.startswith("Microsoft.Network/") and operation in NETWORK:
            wanted.append((("network", place, operation), *NETWORK[operation]))
        waits = [self._take(key, size, refill) for key, size, refill in wanted]
        wait = max((wait for wait in waits if wait is not None), default=None)
        if wait is not None and self._world.arm.throttle:
            raise self._too_many(who, subscription, operation, wait)
        left = max(0, math.floor(self._buckets[wanted[0][0]].left))
        return {
            f"x-ms-ratelimit-remaining-{scope}-{operation}": str(left),
            f"x-ms-ratelimit-remaining-{scope}-global-{operation}": str(
                max(0, math.floor(self._buckets[wanted[1][0]].left))
            ),
        }

    def _take(self, key: tuple[str, ...], size: float, refill: float) -> float | None:
        now = self._world.now()
        return self._buckets.setdefault(key, Bucket(size, refill, size, now)).take(now)

    def _too_many(self, who: Principal, subscription: str, operation: str, wait: float) -> ArmError:
        seconds = max(1, math.ceil(wait))
        return ArmError(
            429,
            "SubscriptionRequestsThrottled" if subscription else "TenantRequestsThrottled",
            f"Number of '{operation}' requests for subscription '{subscription}' actor '{who.object_id}' exceeded. "
            f"Please try again after '{seconds}' seconds after additional tokens are available. Refer to "
            "https://aka.ms/arm-throttling for additional information.",
            headers={"Retry-After": str(seconds)},
        )


# The answer on the wire


def _response(
    answer: Answer | ArmError,
    cloud: Premises,
    request: web.Request,
    limited: Mapping[str, str] | None = None,
) -> web.Response:
    request_id = str(uuid.uuid4())
    correlation = request.headers.get("x-ms-correlation-request-id", request_id)
    now = cloud.world.now_utc()
    headers = {
        "x-ms-request-id": request_id,
        "x-ms-correlation-request-id": correlation,
        "x-ms-routing-request-id": f"SIMULATED:{now:%Y%m%dT%H%M%SZ}:{request_id}",
        "Cache-Control": "no-cache",
        "Pragma": "no-cache",
        "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
        "X-Content-Type-Options": "nosniff",
        **(limited or {}),
        **answer.headers,
    }
    if (theirs := request.headers.get("x-ms-client-request-id")) is not None:
        headers["x-ms-client-request-id"] = theirs
    body: Any = answer.body() if isinstance(answer, ArmError) else answer.body
    if body is None:
        return web.Response(status=answer.status, headers=headers)
    if isinstance(body, str):
        return web.Response(text=body, content_type="application/xml", status=answer.status, headers=headers)
    return web.json_response(body, status=answer.status, headers=headers)


# Everything there is


def _provider(call: Call) -> Answer:
    """A provider and its types with their api-versions; registering one has nothing left to do."""
    wanted = call.at["provider"].lower()
    found = next((namespace for namespace in _namespaces() if namespace.lower() == wanted), None)
    if found is None:
        raise ArmError(
            404, "InvalidResourceNamespace", f"The resource namespace '{call.at['provider']}' is invalid."
        )
    return Answer(_described(call, found))


def _providers(call: Call) -> Answer:
    return page([_described(call, namespace) for namespace in _namespaces()], call)


def _namespaces() -> list[str]:
    return sorted({kind.split("/", 1)[0] for kind in VERSIONS})


def _described(call: Call, namespace: str) -> Json:
    return {
        "id": f"/subscriptions/{call.at['subscription'].lower()}/providers/{namespace}",
        "namespace": namespace,
        "registrationState": "Registered",
        "registrationPolicy": "RegistrationRequired",
        "resourceTypes": [
            {
                "resourceType": kind.split("/", 1)[1],
                "locations": ["global", *microsoft_resources.LOCATIONS.values()],
                "apiVersions": sorted(versions, reverse=True),
                "capabilities": "None",
            }
            for kind, versions in VERSIONS.items()
            if kind.startswith(f"{namespace}/")
        ],
    }


PROVIDERS = "/subscriptions/{subscription}/providers"
OPERATIONS: tuple[Operation, ...] = (
    *microsoft_resources.OPERATIONS,
    *(
        Operation(method, path, "Microsoft.Resources/providers", action, answer)
        for method, path, action, answer in (
            ("GET", PROVIDERS, microsoft_resources.READ, _providers),
            ("GET", f"{PROVIDERS}/{{provider}}", microsoft_resources.READ, _provider),
            ("POST", f"{PROVIDERS}/{{provider}}/register", "*/register/action", _provider),
        )
    ),
    *microsoft_web.OPERATIONS,
    *microsoft_network.OPERATIONS,
)
