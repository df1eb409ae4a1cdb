"""The SCEPman instances: one HTTPS host per site, as App Service would run it.

`/probe`, the home page, and SCEP at `/certsrv/mscep/mscep.dll`. What an instance answers follows from the
settings it loaded and the package it got at its last start (`simulator.scepman_rules`,
`simulator.artifact_hosts`) and from the site's faults. One real `scepserver` per cloud signs behind all of
them where Debian's package `scep` is installed; without it PKIOperation answers 501 and says why.

Not imitated: OCSP, CRL, EST, `/ca`, client certificates, the 50 s cache of SCEPman's own status.
"""

import asyncio
import base64
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import timedelta
from html import escape

import aiohttp
from aiohttp import web

from simulator.listeners import Face, listen_all
from simulator.premises import Premises
from simulator.scep_program import Answer, Authority, LazyServer, RealServer, new_authority
from simulator.scepman_rules import NEEDS, Component, Problem, problems, read_settings, seen
from simulator.world import Site, World

NOT_WORKING = "At least one SCEPman component is not working"
STOPPED = "<title>Web App - Unavailable</title><h1>Error 403 - This web app is stopped.</h1>"
FORBIDDEN = "<title>403 Forbidden</title><h1>Error 403 - Forbidden</h1>"  # an access restriction
CRASHED = "<title>Application Error</title><h1>:( Application Error</h1>"
MARKER = "FAILED TO INITIALIZE RUN FROM PACKAGE.txt"  # the file that the platform leaves in the app's place
NO_PACKAGE = f"<title>503 Cannot download ZIP</title><h1>503 Cannot download ZIP</h1><p>{MARKER}</p>"
UNKNOWN = "<title>404 Web Site not found</title><h1>404 Web Site not found.</h1>"
CAPABILITIES = "AES\nDES3\nPOSTPKIOperation\nRenewal\nSHA-1\nSHA-256\nSHA-512\nSCEPStandard"
SCEP_PATHS = ("/certsrv/mscep/mscep.dll", "/certsrv/mscep/mscep.dll/pkiclient.exe")
MONITOR_AGENT = "Azure Traffic Manager Endpoint Monitor"
LARGEST = 1024 * 1024  # bytes of an enrolment message


@dataclass
class Hosts:
    """What all instances share: the world, the one CA and the server that signs with it."""

    world: World
    authority: Authority
    signer: LazyServer
    others: dict[str, Authority] = field(default_factory=dict)  # site name -> the wrong CA it shows by fault

    def wrong_authority(self, site: Site) -> Authority:
        """The CA that a site with the fault `other_ca` answers: the same name, another key."""
        if site.name not in self.others:
            self.others[site.name] = new_authority(self.world.ca_common_name)
        return self.others[site.name]


@contextlib.asynccontextmanager
async def serve(cloud: Premises) -> AsyncIterator[None]:
    """Listen for every site, also for those that come later, until the context ends."""
    world = cloud.world
    authority = await asyncio.to_thread(new_authority, world.ca_common_name)
    world.ca_certificate = authority.der
    async with LazyServer(authority) as signer:
        hosts = Hosts(world, authority, signer)
        async with listen_all(lambda known: _faces(cloud, hosts, known), cloud.https_port):
            yield


def _faces(cloud: Premises, hosts: Hosts, known: AbstractSet[str]) -> Iterator[Face]:
    for site in (site for site in tuple(cloud.world.sites.values()) if site.name not in known):
        if not site.generation:  # a site that nobody has started yet runs with what it has, and has booted
            cloud.world.start(site)
            site.boots_at = cloud.world.now()
        yield Face(
            key=site.name,
            address=site.address,
            app=_bind(application, hosts, site),
            tls=_bind(_context, cloud, site),
            up=_bind(_is_reachable, cloud.world, site),
        )


def _bind[**P, T](call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Callable[[], T]:
    """The call with its arguments, for later."""
    return lambda: call(*args, **kwargs)


def _context(cloud: Premises, site: Site) -> ssl.SSLContext | None:
    """Return what new connections are shown; an expiry is told by the real clock, since clients look at that one."""
    names = (site.host, *site.host_names)
    match site.faults.tls:
        case "broken":
            return None
        case "expired":
            return cloud.authority.server_context(*names, expires_in=timedelta(hours=-1))
        case "other-name":
            return cloud.authority.server_context("app.fabrikam.test")
        case "":
            return cloud.authority.server_context(*names)


def _is_reachable(world: World, site: Site) -> bool:
    return not site.faults.lost(world.now())


def application(hosts: Hosts, site: Site) -> web.Application:
    """One instance, with App Service's front end before it."""

    @web.middleware
    async def front_end(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        return await _front_end(hosts.world, site, request, handler)

    async def probe(request: web.Request) -> web.Response:
        return _probe(hosts, site, request)

    async def home(_: web.Request) -> web.Response:
        return _home(hosts, site)

    async def scep(request: web.Request) -> web.Response:
        return await _scep(hosts, site, request)

    app = web.Application(middlewares=[front_end], client_max_size=LARGEST)
    app.router.add_get("/probe", probe)
    app.router.add_get("/", home)
    for path in SCEP_PATHS:
        app.router.add_route("GET", path, scep)
        app.router.add_route("POST", path, scep)
    return app


async def _front_end(
    world: World,
    site: Site,
    request: web.Request,
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> web.StreamResponse:
    """Return what happens before the app sees a request: unknown names, a stopped app, a slow start, faults."""
    host = request.host.rsplit(":", 1)[0].lower()
    if host not in {site.host, *(name.lower() for name in site.host_names)}:
        return _page(404, UNKNOWN)
    await _booted(world, site)
    if site.faults.slow:
        await asyncio.sleep(site.faults.slow)
    if site.faults.lost(world.now()):
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=502)  # nobody reads it: the connection is gone
    if site.state == "Stopped":
        return _page(403, STOPPED)
    if site.faults.monitor_refused and request.headers.get("User-Agent") == MONITOR_AGENT:
        return _page(403, FORBIDDEN)
    if site.package.failed:
        return _not_started(site)
    answer = await handler(request)
    if (
        site.faults.tls or site.faults.unresolved or site.faults.hidden
    ):  # who was connected before meets it with the next connection
        answer.force_close()
    return answer


def _not_started(site: Site) -> web.Response:
    """What App Service answers for an app that has no package, or one that it cannot run; until the next start."""
    if site.package.failed == "run":
        return _page(503, f"{CRASHED}<p>{escape(site.package.reason)}</p>")
    return _page(503, f"{NO_PACKAGE}<p>{escape(site.package.outcome)}</p>")


def _is_away(world: World, site: Site) -> bool:
    return site.state == "Stopped" or site.faults.lost(world.now())


async def _booted(world: World, site: Site) -> None:
    """Wait until the app has started, for it is its front end that keeps the request meanwhile."""
    # The world's clock decides, and it may be any clock: so look, rather than be told.
    while world.now() < site.boots_at and not _is_away(world, site):  # noqa: ASYNC110
        await asyncio.sleep(0.02)


def _page(status: int, body: str) -> web.Response:
    return web.Response(status=status, text=body, content_type="text/html")


def _troubles(hosts: Hosts, site: Site) -> tuple[Problem, ...]:
    return problems(seen(hosts.world, site))


def _probe(hosts: Hosts, site: Site, request: web.Request) -> web.Response:
    """200 when every component works, else 503 with the vendor's sentence."""
    usual = 404 if site.faults.path_gone else 503 if _troubles(hosts, site) else 200
    status = site.faults.status or usual
    by_monitor = request.headers.get("User-Agent", "").startswith(MONITOR_AGENT)
    hosts.world.note(
        "monitor-probe" if by_monitor else "probe",
        site.name,
        "traffic manager" if by_monitor else "client",
        str(status),
    )
    return web.Response(status=status, text="OK" if status == 200 else NOT_WORKING)


def _home(hosts: Hosts, site: Site) -> web.Response:
    """Version and the state of every component, with the reason where one does not work."""
    if read_settings(site).get("anonymoushomepageaccess", "true").strip().lower() == "false":
        return _page(404, "<html><body>Not found</body></html>")
    found = _troubles(hosts, site)
    rows = "".join(
        _row(component, [problem.reason for problem in found if problem.component is component])
        for component in Component
    )
    return _page(
        200,
        "<html><head><title>SCEPman</title></head><body><h1>SCEPman</h1>"
        f"<p>Version: {escape(site.package.version)}</p><p>Host: {escape(site.host)}</p>"
        f"<table>{rows}</table></body></html>",
    )


def _row(component: Component, reasons: list[str]) -> str:
    state = f"Not Connected: {escape('; '.join(reasons))}" if reasons else "Connected"
    return f"<tr><td>{component}</td><td>{state}</td></tr>"


async def _scep(hosts: Hosts, site: Site, request: web.Request) -> web.Response:
    """One SCEP request; its operation and status go into the journal."""
    operation = request.query.get("operation", "")
    body = await request.read()
    answer = await _scep_answer(hosts, site, request, operation, body)
    hosts.world.note("scep", site.name, "client", f"{operation or 'none'} {answer.status}")
    return web.Response(status=answer.status, body=answer.body, content_type=answer.content_type)


async def _scep_answer(hosts: Hosts, site: Site, request: web.Request, operation: str, body: bytes) -> Answer:
    fault = site.faults.scep_status or site.faults.status
    if fault:
        return _text(fault, NOT_WORKING)
    if operation not in NEEDS:
        return _text(400, f"The operation {operation!r} is not supported")
    broken = [trouble for trouble in _troubles(hosts, site) if trouble.component in NEEDS[operation]]
    if broken:
        return _text(500, NOT_WORKING)
    if operation == "GetCACert" and site.faults.other_ca:
        return Answer(200, "application/x-x509-ca-cert", hosts.wrong_authority(site).der)
    return await _signed(hosts, request, operation, body)


async def _signed(hosts: Hosts, request: web.Request, operation: str, body: bytes) -> Answer:
    """The answer of a healthy instance: the real server's, or what can be said without one."""
    if operation == "PKIOperation" and not _is_message(request, body):
        return _text(400, "The request holds no PKI message")
    server = await hosts.signer.get()
    if isinstance(server, RealServer):
        try:
            return await server.ask(request.method, request.query_string, body)
        except aiohttp.ClientError as error:
            return _text(502, f"the SCEP server behind the simulated hosts is gone: {type(error).__name__}")
    if operation == "GetCACaps":
        return _text(200, CAPABILITIES)
    if operation == "GetCACert":
        return Answer(200, "application/x-x509-ca-cert", hosts.authority.der)
    return _text(501, server.reason)


def _is_message(request: web.Request, body: bytes) -> bool:
    """A POST carries the message as its body, a GET as base64 in `message`."""
    if request.method == "POST":
        return bool(body)
    try:
        return bool(base64.b64decode(request.query.get("message", "").replace(" ", "+"), validate=True))
    except ValueError:  # no base64, or no ASCII
        return False


def _text(status: int, text: str) -> Answer:
    return Answer(status, "text/plain", text.encode())
