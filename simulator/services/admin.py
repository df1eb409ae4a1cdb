"""The way to look at the world and change it from outside: plain HTTP, for `make run` and the demo.

This is no Azure service. Values of settings are never shown.
"""

import contextlib
import dataclasses
import re
import shlex
from collections.abc import AsyncIterator, Callable
from typing import Any, get_args, get_type_hints

import msgspec
from aiohttp import web

from simulator import card_page
from simulator.artifact_hosts import ArtifactHost, FileFaults, release
from simulator.packages import Package
from simulator.premises import Premises, listening
from simulator.wire import parsed, refusing
from simulator.world import Plain, Site, Tier

FAULTY = ("sites", "shared", "receivers", "vaults", "arm", "events", "hosts")
ARM_FAULTS = frozenset({"retry_after", "delay", "after_effect", "throttle"})


@contextlib.asynccontextmanager
async def serve(cloud: Premises) -> AsyncIterator[None]:
    """`/_world` on a port of its own, or the one that was asked for."""
    async with listening(routes(cloud), port=cloud.admin_port) as cloud.admin_url:
        yield


class BadRequest(ValueError):
    """What was sent does not fit; the message says what does."""


@web.middleware
async def _problems(request: web.Request, handler: Callable[[web.Request], Any]) -> web.StreamResponse:
    try:
        answer: web.StreamResponse = await handler(request)
    except BadRequest as error:
        return web.json_response({"title": str(error)}, status=422)
    return answer


def _unread(_request: web.Request, status: int, message: str) -> web.Response:
    return web.json_response({"title": message}, status=status)


def routes(cloud: Premises) -> web.Application:
    """GET /_world, /journal, /env, /cards and /told there; POST /edit, /faults, /site, /restart and /release."""

    async def state(_request: web.Request) -> web.Response:
        return web.json_response(_state(cloud))

    async def journal(request: web.Request) -> web.Response:
        since = request.query.get("since", "0")
        if not re.fullmatch(r"[0-9]{1,9}", since):
            raise BadRequest("since is a position in the journal, such as ?since=12")
        entries = cloud.world.journal[int(since) :]
        return web.json_response([dataclasses.asdict(entry) for entry in entries])

    async def env(_request: web.Request) -> web.Response:
        return web.Response(text=exports(cloud))

    async def edit(request: web.Request) -> web.Response:
        sent = await _sent(request, {"site", "set", "unset", "who"})
        site, new, gone = _site(cloud, sent.get("site")), _map(sent, "set"), sent.get("unset", [])
        if not isinstance(gone, list) or not all(isinstance(name, str) for name in gone):
            raise BadRequest("unset is a list of names")
        for name, value in new.items():
            if not isinstance(value, Plain.__value__):
                raise BadRequest(f"the value of {name} must be text, a number, true, false or null")
        values = {name: value for name, value in site.app_settings.items() if name not in gone} | new
        cloud.world.put_app_settings(site, values, str(sent.get("who", "a person")))
        return web.json_response({"site": site.name, "changed": sorted({*new, *gone})})

    async def faults(request: web.Request) -> web.Response:
        set_faults(cloud, await _sent(request, set(FAULTY)))
        return web.json_response(_state(cloud))

    app = web.Application(middlewares=[refusing(_unread), _problems])
    app.router.add_get("/_world", state)
    app.router.add_get("/_world/journal", journal)
    app.router.add_get("/_world/env", env)
    app.router.add_post("/_world/edit", edit)
    app.router.add_post("/_world/faults", faults)
    _add_events(app.router, cloud)
    _add_receivers(app.router, cloud)
    return app


def _add_events(router: web.UrlDispatcher, cloud: Premises) -> None:
    """What happens to apps and their packages: somebody stops one, the platform restarts it, a version comes."""

    async def change(request: web.Request) -> web.Response:
        sent = await _sent(request, {"site", "state", "tier"})
        site, state, tier = _site(cloud, sent.get("site")), sent.get("state"), sent.get("tier", None)
        if state not in (None, "Running", "Stopped"):
            raise BadRequest("the state is Running or Stopped")
        if tier not in (None, *get_args(Tier.__value__)):
            raise BadRequest(f"the tier is one of {', '.join(get_args(Tier.__value__))}")
        site.tier = tier or site.tier
        if state == "Stopped" and site.state == "Running":
            cloud.world.stop_site(site, "a person")
        elif state == "Running":
            cloud.world.start_site(site, "a person")
        return web.json_response({"site": site.name, "state": site.state, "tier": site.tier})

    async def restart(request: web.Request) -> web.Response:
        site = _site(cloud, (await _sent(request, {"site"})).get("site"))
        cloud.world.platform_restart(site)
        return web.json_response({"site": site.name, "runs": site.package.outcome.strip()})

    async def publish(request: web.Request) -> web.Response:
        sent = await _sent(request, {"version", "lag"})
        version, lag = sent.get("version"), sent.get("lag", 0)
        if not isinstance(version, str) or not isinstance(lag, int | float | None):
            raise BadRequest(
                'a release needs a version, and may have a lag in seconds or null: {"version": "3.2.1"}'
            )
        hosts = tuple(cloud.world.artifact_hosts.values())
        release(hosts, "production", version, at=cloud.world.now(), lag=lag)
        return web.json_response(_hosts(cloud))

    router.add_post("/_world/site", change)
    router.add_post("/_world/restart", restart)
    router.add_post("/_world/release", publish)


def _add_receivers(router: web.UrlDispatcher, cloud: Premises) -> None:
    """What was told: the cards as a page for people, and all of it as JSON. Addresses are not shown."""

    async def cards(_request: web.Request) -> web.Response:
        teams = cloud.world.receivers.get("teams")
        return web.Response(text=card_page.page(tuple(teams.got) if teams else ()), content_type="text/html")

    async def told(_request: web.Request) -> web.Response:
        receivers = cloud.world.receivers.items()
        return web.json_response(
            {kind: [dataclasses.asdict(got) for got in receiver.got] for kind, receiver in receivers}
        )

    router.add_get("/_world/cards", cards)
    router.add_get("/_world/told", told)


def exports(cloud: Premises) -> str:
    """The environment for the product and for a person at a shell, as `export NAME=value` lines."""
    variables = cloud.env() | cloud.operator_env()
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())


def set_faults(cloud: Premises, sent: dict[str, Any]) -> None:
    """Set what is wrong with sites and what they share, with hosts, vaults, receivers, Resource Manager, Event Grid.

    `{"sites": {"app-scepman-weu": {"down": true}}, "shared": {"key_vault": true}, "receivers": {"teams":
    {"status": 503}}, "vaults": {"kv-counterpart": {"status": 503}}, "arm": {"delay": 1, "answers": [{"method": "PUT",
    "path": "config/appsettings", "status": 429, "times": 2}]}, "events": {"lose": true}, "hosts":
    {"install.scepman.com": {"down": true, "files": {"/dist/Artifacts.zip": {"status": 403}}}}}`. Giving `answers`
    replaces all earlier ones; `times` is how often each answers, for ever when absent; giving a file's faults
    replaces those it had. BadRequest when it does not fit.
    """
    for name, wrong in _map(sent, "sites").items():
        _set(_site(cloud, name).faults, wrong)
    for kind, wrong in _map(sent, "receivers").items():
        if kind not in cloud.world.receivers:
            raise BadRequest(f"no receiver {kind!r}; there are {', '.join(cloud.world.receivers)}")
        _set(cloud.world.receivers[kind].faults, wrong)
    for name, wrong in _map(sent, "vaults").items():
        if name not in cloud.world.vaults:
            raise BadRequest(f"no vault {name!r}; there are {', '.join(cloud.world.vaults)}")
        _set(cloud.world.vaults[name].faults, wrong)
    _set(cloud.world.shared, sent.get("shared", {}))
    for name, wrong in _map(sent, "hosts").items():
        _set_host(_host(cloud, name), dict(_mapped(wrong, name)))
    _set(cloud.world.events, sent.get("events", {}))
    arm = dict(_map(sent, "arm"))
    if "answers" in arm:
        answers = arm.pop("answers")
        if not isinstance(answers, list):
            raise BadRequest("answers is a list")
        cloud.world.arm.rules[:] = [_rule(_mapped(item, "an answer")) for item in answers]
    _set(cloud.world.arm, arm, ARM_FAULTS)


def _set_host(host: ArtifactHost, wrong: dict[str, Any]) -> None:
    for path, its in _mapped(wrong.pop("files", {}), "files").items():
        faults = FileFaults()
        _set(faults, its)
        host.file_faults[path] = faults
    _set(host.faults, wrong)


def _host(cloud: Premises, name: object) -> ArtifactHost:
    host = cloud.world.artifact_hosts.get(str(name))
    if host is None:
        raise BadRequest(f"no artifact host {name!r}; there are {', '.join(cloud.world.artifact_hosts)}")
    return host


def _rule(item: dict[str, Any]) -> Callable[[str, str], int | None]:
    method, path, status = item.get("method", "*"), item.get("path", ""), item.get("status")
    left = item.get("times")
    if not isinstance(status, int) or not isinstance(path, str) or not isinstance(left, int | None):
        raise BadRequest('an answer needs a status, such as {"method": "PUT", "path": "", "status": 503}')
    pattern = re.compile(re.escape(path), re.IGNORECASE)

    def rule(asked_method: str, asked_path: str) -> int | None:
        nonlocal left
        if left == 0 or method not in ("*", asked_method) or not pattern.search(asked_path):
            return None
        left = left if left is None else left - 1
        return status

    return rule


def _set(faults: Any, sent: Any, known: frozenset[str] | None = None) -> None:
    """Set the fields that were sent, all or none. BadRequest when one is not there, or is not what it holds."""
    types = get_type_hints(type(faults))
    known = known or frozenset(types)
    if not isinstance(sent, dict):
        raise BadRequest(f"faults are an object with {', '.join(sorted(known))}")
    if unknown := set(sent) - known:
        raise BadRequest(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")
    try:
        values = {name: msgspec.convert(value, types[name]) for name, value in sent.items()}
    except msgspec.ValidationError as error:
        raise BadRequest(f"{', '.join(sorted(sent))}: {error}") from error
    for name, value in values.items():
        setattr(faults, name, value)


def _site(cloud: Premises, name: object) -> Site:
    site = cloud.world.sites.get(str(name))
    if site is None:
        raise BadRequest(f"no site {name!r}; there are {', '.join(cloud.world.sites)}")
    return site


def _mapped(sent: Any, name: str) -> dict[str, Any]:
    if not isinstance(sent, dict):
        raise BadRequest(f"{name} is a JSON object")
    return sent


def _map(sent: dict[str, Any], name: str) -> dict[str, Any]:
    """The object that was sent under a name; an empty one when none was."""
    return _mapped(sent.get(name, {}), name)


async def _sent(request: web.Request, known: set[str]) -> dict[str, Any]:
    try:
        sent = parsed(await request.read())
    except ValueError as error:
        raise BadRequest(str(error)) from None
    if not isinstance(sent, dict) or set(sent) - known:
        raise BadRequest(f"a JSON object with {', '.join(sorted(known))}")
    return sent


def _state(cloud: Premises) -> dict[str, Any]:
    world = cloud.world
    return {
        "arm": cloud.arm_url,
        "login": cloud.login_url,
        "dns": cloud.dns_server,
        "https_port": cloud.https_port,
        "journal": len(world.journal),
        "sites": {
            site.name: {
                "id": site.id,
                "host": site.host,
                "os": site.os,
                "state": site.state,
                "tier": site.tier,
                "settings": sorted(site.app_settings),
                "generation": site.generation,
                "ready": world.now() >= site.boots_at,
                "runs": site.package.outcome.strip(),
                "faults": dataclasses.asdict(site.faults),
            }
            for site in world.sites.values()
        },
        "profiles": {
            profile.name: {
                "id": profile.id,
                "fqdn": profile.fqdn,
                "status": world.profile_status(profile),
                "endpoints": {
                    endpoint.name: world.monitor_status(profile, endpoint) for endpoint in profile.endpoints
                },
            }
            for profile in world.profiles.values()
        },
        "vaults": {vault.name: sorted(vault.secrets) for vault in world.vaults.values()},
        "vault_faults": {vault.name: dataclasses.asdict(vault.faults) for vault in world.vaults.values()},
        "hosts": _hosts(cloud),
        "shared": dataclasses.asdict(world.shared),
        "receivers": {
            kind: {
                "host": receiver.host,
                "got": len(receiver.got),
                "faults": dataclasses.asdict(receiver.faults),
            }
            for kind, receiver in world.receivers.items()
        },
        "alerts": [dataclasses.asdict(alert_rule) for alert_rule in world.alert_rules],
        "events": dataclasses.asdict(world.events),
        "arm_faults": {name: getattr(world.arm, name) for name in sorted(ARM_FAULTS)}
        | {"rules": len(world.arm.rules)},
    }


def _hosts(cloud: Premises) -> dict[str, Any]:
    """Return what every artifact host has at which address, and what is wrong with it."""
    return {
        host.name: {
            "files": {host.url(path): _published(host, path, cloud.world.now()) for path in host.files},
            "faults": dataclasses.asdict(host.faults),
            "file_faults": {path: dataclasses.asdict(its) for path, its in host.file_faults.items()},
        }
        for host in cloud.world.artifact_hosts.values()
    }


def _published(host: ArtifactHost, path: str, now: float) -> str:
    found = host.current(path, now)
    if found is None:
        return "nothing yet"
    return f"{found.what.version} {found.what.system}" if isinstance(found.what, Package) else "a file"
