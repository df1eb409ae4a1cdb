"""Key Vault's secrets API, as the clients of azure-keyvault-secrets speak it: one HTTPS host name per vault.

Tokens are those of the sign-in service. The challenge names `https://vault.azure.test:PORT` as its
resource, so that the clients' check of it (the vault's host must lie below it) passes. Soft delete is on,
as in every new vault. Expiry is information: an expired secret can still be read, as in Azure.

With a lag, deleting and recovering take a while, as they do in Azure. Meanwhile a reader finds the secret neither
among the others nor among the deleted ones (so the SDK's pollers say), and who would change it is answered 409, with
the codes and words of public reports; that every kind of change is, and not only some, is assumed.

Not imitated: keys and certificates, backup and restore, access policies. Permissions are roles' data actions.
"""

import contextlib
import re
import ssl
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import timedelta
from typing import Any

from aiohttp import web

from simulator.listeners import Face, listen_all
from simulator.premises import Premises
from simulator.tokens import Principal, TokenRefused
from simulator.wire import parsed, refusing, skipped
from simulator.world import Move, Secret, Vault, new_version

VERSIONS = frozenset(
    {"2016-10-01", "7.0", "7.1", "7.2", "7.3", "7.4", "7.5", "7.6", "2025-07-01", "2026-04-01"}
)
NAME = re.compile(r"[0-9a-zA-Z-]{1,127}")
LARGEST_VALUE = 25 * 1024  # bytes
RETENTION = timedelta(days=90)
LATEST = 2**31 - 1  # seconds since 1970: the end of what is taken as a time here
PAGE = 25  # names per page unless asked otherwise; also the most
LEVEL = "Recoverable+Purgeable"

MOVES: dict[Move, tuple[str, str]] = {  # what is under way -> code and words
    "deleted": ("ObjectIsBeingDeleted", "Secret {} is currently being deleted."),
    "recovered": (
        "ObjectIsBeingRecovered",
        "Secret {} is currently being recovered and cannot be re-created; retry later.",
    ),
}

type Handler = Callable[[web.Request, Vault, Principal], Awaitable[web.Response]]


class Refusal(Exception):
    """An error answer with Key Vault's code and words."""

    def __init__(self, status: int, code: str, message: str, inner: str = "") -> None:
        self.status = status
        self.code = code
        self.inner = inner
        super().__init__(message)


@contextlib.asynccontextmanager
async def serve(cloud: Premises) -> AsyncIterator[None]:
    """Listen at every address at which vaults are, until the context ends."""
    cloud.tokens.audiences.add(resource(cloud))
    async with listen_all(lambda known: _faces(cloud, known), cloud.https_port):
        yield


def resource(cloud: Premises) -> str:
    """Return what a token for a vault of this cloud is asked for."""
    return f"https://vault.azure.test:{cloud.https_port}"


def _faces(cloud: Premises, known: AbstractSet[str]) -> Iterator[Face]:
    for address in {vault.address for vault in cloud.world.vaults.values()} - known:
        yield Face(address, address, lambda: _Vaults(cloud).application(), _context(cloud, address))


def _context(cloud: Premises, address: str) -> Callable[[], ssl.SSLContext]:
    def made() -> ssl.SSLContext:
        vaults = cloud.world.vaults.values()
        return cloud.authority.server_context(*(vault.host for vault in vaults if vault.address == address))

    return made


def _failure(status: int) -> Refusal:
    return Refusal(
        status, "Throttled" if status == 429 else "InternalError", "The service cannot answer now."
    )


class _Vaults:
    """The API over every vault of the world; the Host header says which is meant."""

    def __init__(self, cloud: Premises) -> None:
        self._cloud = cloud

    def application(self) -> web.Application:
        app = web.Application(middlewares=[refusing(self._unread)])
        routes: tuple[tuple[str, str, str, Handler], ...] = (
            ("GET", "/secrets", "readMetadata/action", self._list),
            ("PUT", "/secrets/{name}", "setSecret/action", self._set),
            ("GET", "/secrets/{name}", "getSecret/action", self._get),
            ("GET", "/secrets/{name}/", "getSecret/action", self._get),
            ("DELETE", "/secrets/{name}", "delete", self._delete),
            ("GET", "/secrets/{name}/versions", "readMetadata/action", self._versions),
            ("GET", "/secrets/{name}/{version}", "getSecret/action", self._get),
            ("PATCH", "/secrets/{name}/", "update/action", self._update),
            ("PATCH", "/secrets/{name}/{version}", "update/action", self._update),
            ("GET", "/deletedsecrets", "readMetadata/action", self._list_deleted),
            ("GET", "/deletedsecrets/{name}", "readMetadata/action", self._get_deleted),
            ("DELETE", "/deletedsecrets/{name}", "purge/action", self._purge),
            ("POST", "/deletedsecrets/{name}/recover", "recover/action", self._recover),
        )
        for method, path, action, handler in routes:
            app.router.add_route(method, path, self._guarded(action, handler))
        app.router.add_route("*", "/{rest:.*}", self._guarded("", _no_such_path))
        return app

    def _guarded(self, action: str, handler: Handler) -> Callable[[web.Request], Awaitable[web.Response]]:
        """Every request: which vault, whose token, which version of the API, may it; then the handler."""

        async def answer(request: web.Request) -> web.Response:
            try:
                vault = self._vault(request)
                who = self._principal(request)
                _check_version(request)
                if action:
                    self._allow(who, action)
                if vault.faults.status and not vault.faults.after_effect:
                    raise _failure(vault.faults.status)
                self._check_moving(request, vault)
                made = await handler(request, vault, who)
                if vault.faults.status:
                    raise _failure(vault.faults.status)
            except Refusal as refusal:
                made = self._refused(refusal)
            made.headers["x-ms-keyvault-service-version"] = "1.9.2000.1"
            made.headers["x-ms-keyvault-region"] = "westeurope"
            made.headers["x-ms-request-id"] = str(uuid.uuid4())
            return made

        return answer

    def _check_moving(self, request: web.Request, vault: Vault) -> None:
        """Refuse what cannot be answered while the vault is still deleting or recovering the secret."""
        name = request.match_info.get("name", "")
        move = vault.move(name, self._cloud.world.now())
        if move and request.method == "GET":
            raise _not_found(name)
        if move:
            code, words = MOVES[move]
            raise Refusal(409, "Conflict", words.format(name), code)

    def _begin(self, move: Move, vault: Vault, name: str) -> None:
        world = self._cloud.world
        vault.moving[name.lower()] = (move, world.now() + vault.faults.lag / world.speed)

    def _settled(self, kept: dict[str, list[Secret]], vault: Vault) -> list[tuple[str, list[Secret]]]:
        """Those with which nothing is under way, by name."""
        return [entry for entry in sorted(kept.items()) if not vault.move(entry[0], self._cloud.world.now())]

    def _vault(self, request: web.Request) -> Vault:
        host = request.host.rsplit(":", 1)[0].lower()
        found = next(
            (vault for vault in self._cloud.world.vaults.values() if vault.host.lower() == host), None
        )
        if found is None:
            raise Refusal(404, "VaultNotFound", f"The vault '{host}' was not found.")
        return found

    def _principal(self, request: web.Request) -> Principal:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Refusal(401, "Unauthorized", "AKV10000: Request is missing a Bearer or PoP token.")
        try:
            who = self._cloud.tokens.verify(token, (resource(self._cloud), "https://vault.azure.net"))
        except TokenRefused as refused:
            audience = "AKV10022: Invalid audience." if "Audience" in refused.code else "AKV10046: "
            raise Refusal(401, "Unauthorized", f"{audience} {refused}") from None
        return who

    def _allow(self, who: Principal, action: str) -> None:
        if not self._cloud.may(who, f"Microsoft.KeyVault/vaults/secrets/{action}"):
            message = "Caller is not authorized to perform action on resource."
            raise Refusal(403, "Forbidden", message, "ForbiddenByRbac")

    def _refused(self, refusal: Refusal) -> web.Response:
        error: dict[str, Any] = {"code": refusal.code, "message": str(refusal)}
        if refusal.inner:
            error["innererror"] = {"code": refusal.inner}
        answer = web.json_response({"error": error}, status=refusal.status)
        if refusal.status == 401:
            authority = f"{self._cloud.login_url}/{self._cloud.tenant}"
            challenge = f'Bearer authorization="{authority}", resource="{resource(self._cloud)}"'
            answer.headers["WWW-Authenticate"] = challenge
        return answer

    def _unread(self, _request: web.Request, status: int, message: str) -> web.Response:
        return self._refused(Refusal(status, "BadParameter", message))

    def _note(self, what: str, vault: Vault, who: Principal, name: str) -> None:
        self._cloud.world.note(what, vault.name, who.name, name)

    async def _set(self, request: web.Request, vault: Vault, who: Principal) -> web.Response:
        name = _name(request)
        if _known(vault.deleted, name):
            message = (
                f"Secret {name} is currently in a deleted but recoverable state; its name cannot be reused."
            )
            raise Refusal(409, "Conflict", message, "ObjectIsDeletedButRecoverable")
        body = await _body(request)
        value = body.get("value")
        if not isinstance(value, str):
            raise Refusal(400, "BadParameter", "Property value is required and cannot be null.")
        if not _is_text(value):
            raise Refusal(400, "BadParameter", "Property value has invalid value.")
        if len(value.encode()) > LARGEST_VALUE:
            raise Refusal(400, "BadParameter", f"The value is longer than {LARGEST_VALUE} bytes.")
        now = self._cloud.world.now()
        made = _changed(Secret(new_version(), value, now, updated=now), body)
        kept = _known(vault.secrets, name) or name
        vault.secrets.setdefault(kept, []).append(made)
        self._note("secret-set", vault, who, kept)
        return web.json_response(_bundle(request, kept, made))

    async def _get(self, request: web.Request, vault: Vault, who: Principal) -> web.Response:
        name, secret = _found(request, vault)
        if not secret.enabled:
            message = "Operation get is not allowed on a disabled secret."
            raise Refusal(403, "Forbidden", message, "SecretDisabled")
        self._note("secret-get", vault, who, name)
        return web.json_response(_bundle(request, name, secret))

    async def _update(self, request: web.Request, vault: Vault, who: Principal) -> web.Response:
        name, secret = _found(request, vault)
        versions = vault.secrets[name]
        now = self._cloud.world.now()
        made = _changed(replace(secret, updated=now), await _body(request))
        versions[versions.index(secret)] = made
        self._note("secret-update", vault, who, name)
        return web.json_response(_item(request, name, made, with_version=True))

    async def _delete(self, request: web.Request, vault: Vault, who: Principal) -> web.Response:
        name, _ = _found(request, vault)
        vault.deleted[name] = vault.secrets.pop(name)
        vault.deleted_at[name] = self._cloud.world.now()
        self._begin("deleted", vault, name)
        self._note("secret-delete", vault, who, name)
        newest = vault.deleted[name][-1]
        return web.json_response(
            _bundle(request, name, newest, value=False) | _deletion(request, vault, name)
        )

    async def _list(self, request: web.Request, vault: Vault, who: Principal) -> web.Response:
        self._note("secret-list", vault, who, "")
        items = [_item(request, name, versions[-1]) for name, versions in self._settled(vault.secrets, vault)]
        return _paged(request, items)

    async def _versions(self, request: web.Request, vault: Vault, who: Principal) -> web.Response:
        name = _known(vault.secrets, _name(request))
        self._note("secret-list", vault, who, name)
        versions = vault.secrets.get(name, [])  # an unknown name has no versions, and that is no error
        return _paged(request, [_item(request, name, version, with_version=True) for version in versions])

    async def _list_deleted(self, request: web.Request, vault: Vault, who: Principal) -> web.Response:
        self._note("secret-list", vault, who, "")
        items = [
            _item(request, name, versions[-1]) | _deletion(request, vault, name)
            for name, versions in self._settled(vault.deleted, vault)
        ]
        return _paged(request, items)

    async def _get_deleted(self, request: web.Request, vault: Vault, who: Principal) -> web.Response:
        name = _deleted_name(request, vault)
        self._note("secret-get", vault, who, name)
        newest = vault.deleted[name][-1]
        return web.json_response(
            _bundle(request, name, newest, value=False) | _deletion(request, vault, name)
        )

    async def _purge(self, request: web.Request, vault: Vault, who: Principal) -> web.Response:
        name = _deleted_name(request, vault)
        del vault.deleted[name]
        vault.deleted_at.pop(name, None)
        self._note("secret-purge", vault, who, name)
        return web.Response(status=204)

    async def _recover(self, request: web.Request, vault: Vault, who: Principal) -> web.Response:
        name = _deleted_name(request, vault)
        vault.secrets[name] = vault.deleted.pop(name)
        vault.deleted_at.pop(name, None)
        self._begin("recovered", vault, name)
        self._note("secret-recover", vault, who, name)
        return web.json_response(_item(request, name, vault.secrets[name][-1], with_version=True))


async def _no_such_path(request: web.Request, vault: Vault, who: Principal) -> web.Response:  # noqa: ARG001
    raise Refusal(400, "BadParameter", f"Method {request.method} does not allow operation ''")


def _check_version(request: web.Request) -> None:
    asked = request.query.get("api-version", "")
    if asked in VERSIONS:
        return
    message = (
        f"The specified version ({asked}) is not recognized. Consider using the latest supported version."
    )
    raise Refusal(400, "BadParameter", message if asked else "api-version must be specified")


def _name(request: web.Request) -> str:
    name = request.match_info["name"]
    if not NAME.fullmatch(name):
        raise Refusal(400, "BadParameter", f"The request URI contains an invalid name: {name}")
    return name


def _known(names: Iterable[str], name: str) -> str:
    """The name as it was first written (names ignore case); empty when there is none such."""
    return next((item for item in names if item.lower() == name.lower()), "")


def _found(request: web.Request, vault: Vault) -> tuple[str, Secret]:
    """The secret that a path names, in the version it names or the newest."""
    asked = _name(request)
    version = request.match_info.get("version", "")
    name = _known(vault.secrets, asked)
    matching = [secret for secret in vault.secrets.get(name, []) if version in ("", secret.version)]
    if matching:
        return name, matching[-1]
    raise _not_found(f"{asked}{'/' + version if version else ''}")


def _not_found(asked: str) -> Refusal:
    message = (
        f"A secret with (name/id) {asked} was not found in this key vault. "
        "If you recently deleted this secret you may be able to recover it using the correct recovery command. "
        "For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182"
    )
    return Refusal(404, "SecretNotFound", message)


def _deleted_name(request: web.Request, vault: Vault) -> str:
    asked = _name(request)
    name = _known(vault.deleted, asked)
    if not name:
        raise Refusal(404, "SecretNotFound", f"Deleted Secret not found: {asked}")
    return name


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        whole = parsed(await request.read())
    except ValueError:
        whole = None
    if not isinstance(whole, dict):
        raise Refusal(400, "BadParameter", "The request body is not a JSON object.")
    return whole


def _changed(secret: Secret, body: dict[str, Any]) -> Secret:
    """The secret with the attributes, tags and content type that a body gives."""
    given = body.get("attributes") or {}
    _check_properties(body, given)
    changes: dict[str, Any] = {
        field: given[key]
        for key, field in (("exp", "expires"), ("nbf", "not_before"), ("enabled", "enabled"))
        if key in given
    }
    if "tags" in body:
        changes["tags"] = dict(body["tags"] or {})
    if "contentType" in body:
        changes["content_type"] = body["contentType"]
    return replace(secret, **changes)


def _check_properties(body: dict[str, Any], attributes: Any) -> None:
    """Refuse what is of another type, or longer, than the service takes. Raises Refusal.

    The limits of tags (15, of 512 and 256 characters) and of a content type (255) are the service's documented ones.
    """
    kind, tags = body.get("contentType"), body.get("tags") or {}
    sound = isinstance(attributes, dict)
    times = [attributes.get(name) for name in ("exp", "nbf")] if sound else []
    wrong = {
        "attributes": not sound
        or not all(time is None or (type(time) is int and 0 <= time <= LATEST) for time in times)
        or not isinstance(attributes.get("enabled", True), bool),
        "contentType": kind is not None and not (_is_text(kind) and len(kind) <= 255),
        "tags": not isinstance(tags, dict)
        or len(tags) > 15
        or not all(_is_text(name) and len(name) <= 512 for name in tags)
        or not all(_is_text(value) and len(value) <= 256 for value in tags.values()),
    }
    if named := next((name for name, is_wrong in wrong.items() if is_wrong), None):
        raise Refusal(400, "BadParameter", f"Property {named} has invalid value.")


def _is_text(value: object) -> bool:
    """Return whether it is a string of whole characters: half a surrogate pair is none."""
    return isinstance(value, str) and value == value.encode(errors="ignore").decode()


def _attributes(secret: Secret) -> dict[str, Any]:
    given = {"exp": secret.expires, "nbf": secret.not_before}
    updated = secret.created if secret.updated is None else secret.updated
    return {
        "enabled": secret.enabled,
        **{key: int(value) for key, value in given.items() if value is not None},
        "created": int(secret.created),
        "updated": int(updated),
        "recoveryLevel": LEVEL,
        "recoverableDays": RETENTION.days,
    }


def _item(request: web.Request, name: str, secret: Secret, *, with_version: bool = False) -> dict[str, Any]:
    """A secret without its value, as lists and updates show it."""
    version = f"/{secret.version}" if with_version else ""
    shown: dict[str, Any] = {
        "id": f"https://{request.host}/secrets/{name}{version}",
        "attributes": _attributes(secret),
        "tags": secret.tags,
    }
    return shown | ({"contentType": secret.content_type} if secret.content_type is not None else {})


def _bundle(request: web.Request, name: str, secret: Secret, *, value: bool = True) -> dict[str, Any]:
    shown = _item(request, name, secret, with_version=True)
    return {"value": secret.value, **shown} if value else shown


def _deletion(request: web.Request, vault: Vault, name: str) -> dict[str, Any]:
    at = vault.deleted_at.get(name, 0.0)
    return {
        "recoveryId": f"https://{request.host}/deletedsecrets/{name}",
        "deletedDate": int(at),
        "scheduledPurgeDate": int(at + RETENTION.total_seconds()),
    }


def _paged(request: web.Request, items: list[dict[str, Any]]) -> web.Response:
    """One page, with a link to the next while there are more."""
    try:
        size = int(request.query.get("maxresults", PAGE))
    except ValueError:
        size = 0
    start = skipped(request.query)
    if start is None:
        raise Refusal(400, "BadParameter", "The $skiptoken is not valid.")
    if not 1 <= size <= PAGE:
        raise Refusal(400, "BadParameter", f"maxresults must be between 1 and {PAGE}")
    end = start + size
    link = None
    if end < len(items):
        version = request.query["api-version"]
        query = f"api-version={version}&$skiptoken={end}&maxresults={size}"
        link = f"https://{request.host}{request.path}?{query}"
    return web.json_response({"value": items[start:end], "nextLink": link})
