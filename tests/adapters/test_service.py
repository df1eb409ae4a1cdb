"""HttpService over real TLS on loopback: the service through its name, as a device meets it."""

import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from shared.adapters.service import HttpService
from tests.adapters.test_probe import _Loopback, authority, ca_der, serving
from tests.fakes.clock import START, FakeClock

NAME = "scep.contoso.test"


@asynccontextmanager
async def service(resolver: AbstractResolver | None = None) -> AsyncIterator[HttpService]:
    """Looks whose session would resolve nothing by itself."""
    tls = ssl.create_default_context()
    authority().configure_trust(tls)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls)) as session:
        looks = HttpService(session, resolver or _Loopback(), FakeClock(), timeout=2.0)
        yield looks
        await looks.aclose()


async def scep(request: web.Request) -> web.Response:
    """A SCEP server that is well."""
    if request.query["operation"] == "GetCACaps":
        return web.Response(text="POSTPKIOperation\nSHA-256")
    return web.Response(body=ca_der())


async def test_served() -> None:
    """By the address that the name has, with the name in Host and in TLS; which address is told."""
    asked: list[str] = []

    async def noted(request: web.Request) -> web.Response:
        asked.append(request.host.partition(":")[0])
        assert request.headers["Connection"] == "close"
        return await scep(request)

    async with serving(noted, name=NAME) as port, service() as looks:
        answer = await looks.ask(NAME, port=port, path="/certsrv/mscep/mscep.dll", scep=True)
    assert (answer.ok, answer.address, answer.at) == (True, "127.0.0.1", START)
    assert asked == [NAME, NAME]


async def test_a_certificate_for_another_name() -> None:
    """As with the profile's own name in Azure: said in words."""
    async with serving(scep, name="another.test") as port, service() as looks:
        answer = await looks.ask(NAME, port=port, path="/x", scep=True)
    assert not answer.ok
    assert "its certificate is not valid" in answer.problem


async def test_a_name_that_leads_nowhere() -> None:
    """No address, and no guess at one."""
    async with service() as looks:
        answer = await looks.ask("scep.contoso.invalid", port=443, path="/x", scep=True)
    assert (answer.address, answer.ok) == ("", False)
    assert "does not resolve" in answer.problem


class _Turns(_Loopback):
    """Two addresses in turn, each kept until the resolver is closed."""

    def __init__(self) -> None:
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        (found,) = await super().resolve(host, port, family)
        return [{**found, "host": f"127.0.0.{self.asked % 2 + 1}"}]

    async def close(self) -> None:
        """Ask anew."""
        self.asked += 1


async def test_a_device_that_was_just_led_to_a_region() -> None:
    """Asked anew until the answer is the one that is wanted; a few times, and then whatever it is."""
    for wanted, questions in ({"127.0.0.1"}, 2), ({"127.0.0.2"}, 1), ({"192.0.2.9"}, 6):
        turns = _Turns()
        async with service(turns) as looks:
            await looks.begin_at(NAME, wanted)
            assert turns.asked == questions
    async with service() as looks:
        await looks.begin_at("scep.contoso.invalid", {"127.0.0.1"})


async def test_scep_fails() -> None:
    """Which operation, and how."""

    async def broken(request: web.Request) -> web.Response:
        return web.Response(status=500 if request.query["operation"] == "GetCACert" else 200, text="AES")

    async with serving(broken, name=NAME) as port, service() as looks:
        answer = await looks.ask(NAME, port=port, path="/x", scep=True)
    assert answer.problem == "GetCACert answered 500"


async def test_apps_that_are_no_scep_servers() -> None:
    """One GET of the probe path; only 200 will do."""

    async def page(request: web.Request) -> web.Response:
        return web.Response(status=200 if request.path == "/probe" else 404)

    async with serving(page, name=NAME) as port, service() as looks:
        assert (await looks.ask(NAME, port=port, path="/probe", scep=False)).ok
        other = await looks.ask(NAME, port=port, path="/other", scep=False)
    assert other.problem == "answered 404"
