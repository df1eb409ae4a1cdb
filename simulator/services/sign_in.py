"""Sign-in: Entra's token endpoint with its discovery documents over HTTPS, and App Service's managed identity.

The managed identity's endpoint is plain HTTP, as it is inside App Service (api-version 2019-08-01). What is not
imitated: users, consent, certificates and federated credentials, and refresh tokens.
"""

import contextlib
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from simulator.premises import Premises, listening
from simulator.tokens import LIFETIME, Principal
from simulator.wire import refusing

MANAGED_IDENTITY_VERSIONS = ("2019-08-01", "2017-09-01")
MANAGED_IDENTITY_LIFETIME = 24 * 3600  # seconds; App Service gives tokens for a day
FORM = "application/x-www-form-urlencoded"
ADFS = "adfs"  # the tenant segment by which clients know an authority that has no instance discovery


@contextlib.asynccontextmanager
async def serve(cloud: Premises) -> AsyncIterator[None]:
    """Both faces: the login host (HTTPS) and the managed identity's endpoint (HTTP)."""
    tls = cloud.authority.server_context("127.0.0.1", "localhost", "login.test")
    async with listening(login(cloud), tls=tls) as login_url, listening(identity(cloud)) as identity_url:
        cloud.login_url = login_url
        cloud.identity_endpoint = f"{identity_url}/msi/token"
        yield


def login(cloud: Premises) -> web.Application:
    """Entra: discovery, keys, tokens for service principals (client credentials, v1 and v2)."""
    entra = _Entra(cloud)
    app = web.Application(middlewares=[refusing(_unread)])
    app.router.add_get("/common/discovery/instance", entra.instance)
    for version in ("", "/v2.0"):
        app.router.add_get("/{tenant}" + version + "/.well-known/openid-configuration", entra.configuration)
        app.router.add_get("/{tenant}/discovery" + version + "/keys", entra.keys)
        app.router.add_post("/{tenant}/oauth2" + version + "/token", entra.token)
    return app


class _Entra:
    """The handlers of the login host."""

    def __init__(self, cloud: Premises) -> None:
        self._cloud = cloud

    async def instance(self, request: web.Request) -> web.Response:
        """Which hosts are the same authority: this one stands alone."""
        host, tenant = request.host, self._base(request, self._cloud.tenant)
        return web.json_response(
            {
                "tenant_discovery_endpoint": f"{tenant}/v2.0/.well-known/openid-configuration",
                "api-version": "1.1",
                "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
            }
        )

    async def configuration(self, request: web.Request) -> web.Response:
        """OpenID Connect discovery."""
        base = self._base(request, request.match_info["tenant"])
        version = "/v2.0" if "/v2.0/" in request.path else ""
        return web.json_response(
            {
                "token_endpoint": f"{base}/oauth2{version}/token",
                "token_endpoint_auth_methods_supported": ["client_secret_post"],
                "jwks_uri": f"{base}/discovery{version}/keys",
                "response_modes_supported": ["query", "fragment", "form_post"],
                "subject_types_supported": ["pairwise"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
                "scopes_supported": ["openid", "profile", "email", "offline_access"],
                "issuer": f"{self._base(request, self._cloud.tenant)}{version or '/'}",
                "authorization_endpoint": f"{base}/oauth2{version}/authorize",
                "device_authorization_endpoint": f"{base}/oauth2{version}/devicecode",
                "tenant_region_scope": None,
                "cloud_instance_name": self._cloud.login_url.removeprefix("https://"),
            }
        )

    async def keys(self, _request: web.Request) -> web.Response:
        """The public key."""
        return web.json_response(self._cloud.tokens.key_set())

    async def token(self, request: web.Request) -> web.Response:
        """Client credentials: v2 asks with `scope`, v1 with `resource`."""
        form = await request.read() if request.content_type == FORM else b""
        asked = dict(parse_qsl(form.decode(errors="replace")))
        try:
            answer = self._granted(request.match_info["tenant"], asked, v2="/v2.0/" in request.path)
        except _Refused as refused:
            return web.json_response(refused.body(self._cloud), status=refused.status)
        return web.json_response(answer, headers={"Cache-Control": "no-store", "Pragma": "no-cache"})

    def _granted(self, tenant: str, asked: Mapping[str, str], *, v2: bool) -> dict[str, Any]:
        cloud = self._cloud
        if tenant.lower() not in {cloud.tenant, ADFS}:
            raise _Refused(
                90002, "invalid_request", f"Tenant '{tenant}' not found. Check to make sure you have the correct "
                "tenant ID and are signing into the correct cloud.",
            )  # fmt: skip
        if "grant_type" not in asked:
            raise _Refused(
                900144,
                "invalid_request",
                "The request body must contain the following parameter: 'grant_type'.",
            )
        if asked["grant_type"] != "client_credentials":
            raise _Refused(
                70003, "unsupported_grant_type",
                f"The app requested an unsupported grant type '{asked['grant_type']}'.",
            )  # fmt: skip
        who = self._service_principal(asked)
        resource = self._resource(asked, who, v2=v2)
        signed, expires = cloud.tokens.issue(who, resource, f"{cloud.login_url}/{cloud.tenant}/")
        answer: dict[str, Any] = {
            "token_type": "Bearer",
            "expires_in": LIFETIME,
            "ext_expires_in": LIFETIME,
            "access_token": signed,
        }
        if not v2:
            answer |= {"expires_on": str(expires), "expires_in": str(LIFETIME), "resource": resource}
        return answer

    def _service_principal(self, asked: Mapping[str, str]) -> Principal:
        wanted, secret = asked.get("client_id", ""), asked.get("client_secret", "")
        who = next((one for one in self._cloud.principals if one.app_id == wanted and one.secret), None)
        if who is None:
            raise _Refused(
                700016, "unauthorized_client",
                f"Application with identifier '{wanted}' was not found in the directory 'Contoso'. This can happen "
                "if the application has not been installed by the administrator of the tenant or consented to by "
                "any user in the tenant. You may have sent your authentication request to the wrong tenant.",
            )  # fmt: skip
        if not secret:
            raise _Refused(
                7000218, "invalid_client", "The request body must contain the following parameter: "
                "'client_assertion' or 'client_secret'.", status=HTTPStatus.UNAUTHORIZED,
            )  # fmt: skip
        if secret != who.secret:
            raise _Refused(
                7000215, "invalid_client", "Invalid client secret provided. Ensure the secret being sent in the "
                "request is the client secret value, not the client secret ID, for a secret added to app "
                f"'{wanted}'.", status=HTTPStatus.UNAUTHORIZED,
            )  # fmt: skip
        return who

    def _resource(self, asked: Mapping[str, str], who: Principal, *, v2: bool) -> str:
        """The audience that was asked for. A v2 scope is `{resource}/.default`; other scopes do not fit an app."""
        wanted = asked.get("scope", "") if v2 else asked.get("resource", "")
        scopes = [scope for scope in wanted.split() if scope not in {"openid", "profile", "offline_access"}]
        if v2 and not (len(scopes) == 1 and scopes[0].endswith("/.default")):
            raise _Refused(
                1002012, "invalid_scope", f"The provided value for scope {wanted} is not valid. Client credential "
                "flows must have a scope value with /.default suffixed to the resource identifier (application "
                "ID URI).",
            )  # fmt: skip
        resource = scopes[0].removesuffix("/.default") if scopes else ""
        if not self._cloud.tokens.known(resource):
            raise _Refused(
                500011, "invalid_resource", f"The resource principal named {resource} was not found in the tenant "
                f"named Contoso (asked for by {who.app_id}). This can happen if the application has not been "
                "installed by the administrator of the tenant or consented to by any user in the tenant.",
            )  # fmt: skip
        return resource

    def _base(self, request: web.Request, tenant: str) -> str:
        """An authority's URL by the host name that the client used: clients compare it with the issuer's."""
        return f"https://{request.host}/{tenant}"


class _Refused(Exception):
    """A sign-in that Entra refuses, with its AADSTS number and the OAuth error."""

    def __init__(self, number: int, error: str, text: str, status: int = HTTPStatus.BAD_REQUEST) -> None:
        self.number = number
        self.error = error
        self.status = status
        super().__init__(text)

    def body(self, cloud: Premises) -> dict[str, Any]:
        """The body of the answer, in Entra's shape."""
        now = f"{cloud.world.now_utc():%Y-%m-%d %H:%M:%SZ}"
        trace = "00000000-0000-0000-0000-000000000000"
        return {
            "error": self.error,
            "error_description": f"AADSTS{self.number}: {self} Trace ID: {trace} Correlation ID: {trace} "
            f"Timestamp: {now}",
            "error_codes": [self.number],
            "timestamp": now,
            "trace_id": trace,
            "correlation_id": trace,
            "error_uri": f"{cloud.login_url}/error?code={self.number}",
        }


def _unread(_request: web.Request, status: int, message: str) -> web.Response:
    """A request that the web server itself refuses, as an OAuth error; Entra's numbers for these are not known."""
    return web.json_response({"error": "invalid_request", "error_description": message}, status=status)


def identity(cloud: Premises) -> web.Application:
    """The endpoint that App Service gives an app in IDENTITY_ENDPOINT."""

    async def token(request: web.Request) -> web.Response:
        if request.headers.get("X-IDENTITY-HEADER") != cloud.identity_header:
            return _identity_error(401, "The request is missing the X-IDENTITY-HEADER of this app.")
        version = request.query.get("api-version", "")
        if version not in MANAGED_IDENTITY_VERSIONS:
            return _identity_error(400, f"Unsupported api-version: '{version}'.")
        who = cloud.managed_identity
        wanted = {request.query.get(name) for name in ("client_id", "object_id", "principal_id")} - {None}
        if wanted - {who.app_id, who.object_id}:
            return _identity_error(
                400, "No User Assigned or Delegated Managed Identity found for specified id."
            )
        resource = request.query.get("resource", "")
        if not cloud.tokens.known(resource):
            return _identity_error(500, f"Error fetching token: unknown resource '{resource}'.")
        signed, expires = cloud.tokens.issue(
            who, resource, f"{cloud.login_url}/{cloud.tenant}/", lifetime=MANAGED_IDENTITY_LIFETIME
        )
        return web.json_response(
            {
                "access_token": signed,
                "expires_on": str(expires),
                "resource": resource,
                "token_type": "Bearer",
                "client_id": who.app_id,
            }
        )

    def unread(_request: web.Request, status: int, message: str) -> web.Response:
        return _identity_error(status, message)

    app = web.Application(middlewares=[refusing(unread)])
    app.router.add_get("/msi/token", token)
    return app


def _identity_error(status: int, message: str) -> web.Response:
    body = {"statusCode": status, "message": message, "correlationId": "00000000-0000-0000-0000-000000000000"}
    return web.json_response(body, status=status)
