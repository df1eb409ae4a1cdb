"""AppService against a server of the test's own, for what only a misbehaving Resource Manager shows."""

import logging
import traceback
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from shared.adapters.app_service import AppService
from shared.adapters.resource_manager import parse_resource_id
from shared.disruption.model import Kind, Permit
from shared.errors import (
    AppError,
    Busy,
    Denied,
    Effect,
    NotFound,
    PermanentError,
    Throttled,
    Unavailable,
)
from shared.groups.model import AppSettings, ConnectionString, Os, Value
from tests.adapters.stub_azure import Azure, Handler, answering, serving
from tests.fakes.clock import START
from tests.fakes.credentials import FakeCredential

SITE = "/subscriptions/5a7e/resourceGroups/rg-a/providers/Microsoft.Web/sites/app-a"
SECRET = "S3CRET-never-shown"  # noqa: S105 -- it is made up
PERMIT = Permit(
    id="rollout-7", kind=Kind.SETTINGS_WRITE, region="neu", granted_at=START, until=START, reason="test"
)
SETTINGS = AppSettings({"AppConfig:LicenseKey": Value(SECRET)})


@asynccontextmanager
async def app_service(azure: Azure) -> AsyncIterator[AppService]:
    """The adapter, connected to that server."""
    async with serving(azure) as (session, url):
        adapter = AppService(FakeCredential(), session, base_url=url)
        yield adapter
        await adapter.aclose()


def an_error(code: str) -> dict[str, dict[str, str]]:
    """Resource Manager's error shape, with a value in its message as a careless server might put there."""
    return {"error": {"code": code, "message": f"The value '{SECRET}' is not acceptable."}}


async def hang_up(request: web.Request) -> web.StreamResponse:
    """The request arrives, and the connection breaks without an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def test_a_put_whose_connection_breaks_is_sent_once() -> None:
    """A PUT that may have taken effect is never repeated, neither by the SDK nor by the HTTP client."""
    azure = Azure(hang_up)
    async with app_service(azure) as adapter:
        with pytest.raises(Unavailable):
            await adapter.put_app_settings(SITE, SETTINGS, permit=PERMIT)
    assert azure.seen == [f"PUT {SITE}/config/appsettings"]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_a_refused_put_is_sent_once(status: int) -> None:
    """Nor is a PUT repeated on any status, even when the answer says when to come back."""
    azure = Azure(answering(status, an_error("Busy"), **{"Retry-After": "1"}))
    async with app_service(azure) as adapter:
        with pytest.raises((Throttled, Unavailable)) as caught:
            await adapter.put_connection_strings(
                SITE, {"Db": ConnectionString(Value(SECRET), "SQLAzure")}, permit=PERMIT
            )
    assert azure.seen == [f"PUT {SITE}/config/connectionstrings"]
    assert isinstance(caught.value, Throttled | Unavailable)
    assert caught.value.retry_after == 1


async def test_a_read_is_tried_again() -> None:
    """A read that a broken connection or a 503 cut short is asked again, and succeeds."""
    answers = iter([hang_up, answering(503), answering(200, {"value": []})])

    async def handle(request: web.Request) -> web.StreamResponse:
        return await next(answers)(request)

    azure = Azure(handle)
    async with app_service(azure) as adapter:
        assert await adapter.list_references(SITE) == ()
    assert azure.seen == [f"GET {SITE}/config/configreferences/appsettings"] * 3


async def test_a_long_wait_is_left_to_the_caller() -> None:
    """A read that is asked to wait for an hour fails at once, and says for how long."""
    azure = Azure(answering(429, an_error("TooManyRequests"), **{"Retry-After": "3600"}))
    async with app_service(azure) as adapter:
        with pytest.raises(Throttled) as caught:
            await adapter.list_references(SITE)
    assert caught.value.retry_after == pytest.approx(3600, abs=60)  # less what has gone by since
    assert len(azure.seen) == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, PermanentError), (401, Denied), (403, Denied), (404, NotFound), (409, Busy)],
)
async def test_failures_are_ours_and_hold_no_value(status: int, kind: type[AppError]) -> None:
    """An error names the site, status and code; neither it nor its traceback repeats the answer's text."""
    async with app_service(Azure(answering(status, an_error("BadThing")))) as adapter:
        for call in (
            adapter.get_settings(SITE),
            adapter.put_app_settings(SITE, SETTINGS, permit=PERMIT),
        ):
            with pytest.raises(kind) as caught:
                await call
            assert "app-a" in str(caught.value)
            assert f"HTTP {status} BadThing" in str(caught.value)
            assert SECRET not in "".join(traceback.format_exception(caught.value))


async def _of_a_put(answer: Handler) -> AppError:
    async with app_service(Azure(answer)) as adapter:
        with pytest.raises(AppError) as caught:
            await adapter.put_app_settings(SITE, SETTINGS, permit=PERMIT)
    return caught.value


@pytest.mark.parametrize(
    ("status", "headers", "kind", "effect"),
    [
        (400, {}, PermanentError, Effect.NOT_APPLIED),
        (403, {}, Denied, Effect.NOT_APPLIED),
        (404, {}, NotFound, Effect.NOT_APPLIED),
        (409, {}, Busy, Effect.NOT_APPLIED),
        (429, {}, Busy, Effect.NOT_APPLIED),
        (429, {"Retry-After": "17"}, Throttled, Effect.NOT_APPLIED),
        (408, {}, Unavailable, Effect.UNKNOWN),
        (500, {}, Unavailable, Effect.UNKNOWN),
        (503, {"Retry-After": "1"}, Unavailable, Effect.UNKNOWN),
        (504, {}, Unavailable, Effect.UNKNOWN),
    ],
)
async def test_an_error_says_whether_the_write_took_effect(
    status: int, headers: dict[str, str], kind: type[AppError], effect: Effect
) -> None:
    """A refusal changed nothing, and neither did a lock or a quota; after a server's error nobody knows."""
    error = await _of_a_put(answering(status, an_error("Conflict"), **headers))
    assert type(error) is kind
    assert error.effect is effect


async def test_a_broken_connection_leaves_the_effect_unknown() -> None:
    """The request was sent, and its answer is lost."""
    assert (await _of_a_put(hang_up)).effect is Effect.UNKNOWN


async def test_denied_names_the_permission() -> None:
    """Who is refused is told which permission is missing."""
    async with app_service(Azure(answering(403, an_error("AuthorizationFailed")))) as adapter:
        with pytest.raises(Denied, match="sites/config/list/Action"):
            await adapter.get_settings(SITE)
        with pytest.raises(Denied, match="sites/config/Write"):
            await adapter.put_app_settings(SITE, SETTINGS, permit=PERMIT)


async def test_a_redirected_put_goes_nowhere() -> None:
    """Settings are not carried to where a redirect points."""
    azure = Azure(answering(307, Location="/elsewhere"))
    async with app_service(azure) as adapter:
        with pytest.raises(AppError):
            await adapter.put_app_settings(SITE, SETTINGS, permit=PERMIT)
    assert azure.seen == [f"PUT {SITE}/config/appsettings"]


async def test_a_page_instead_of_json() -> None:
    """A proxy's page under status 200 is no answer."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<html>Sign in to the network</html>", content_type="text/html")

    async with app_service(Azure(page)) as adapter:
        with pytest.raises(Unavailable):
            await adapter.get_settings(SITE)
        with pytest.raises(Unavailable):
            await adapter.list_references(SITE)


async def test_references_of_all_pages() -> None:
    """Pages are followed; a status of a later Azure is passed on as it is."""

    async def handle(request: web.Request) -> web.Response:
        if "token" in request.query:
            return web.json_response(
                {"value": [{"name": "B", "properties": {"status": "SomethingNew"}}, {"name": "C"}]}
            )
        following = f"{request.url.origin()}{SITE}/config/configreferences/appsettings?token=2"
        return web.json_response(
            {"value": [{"name": "A", "properties": {"status": "Resolved"}}], "nextLink": following}
        )

    async with app_service(Azure(handle)) as adapter:
        found = await adapter.list_references(SITE)
    assert [(reference_status.name, reference_status.status) for reference_status in found] == [
        ("A", "Resolved"),
        ("B", "SomethingNew"),
        ("C", ""),
    ]


@pytest.mark.parametrize(
    ("kind", "reserved", "os"),
    [
        ("app", False, Os.WINDOWS),
        ("app,linux", True, Os.LINUX),
        ("app", True, Os.LINUX),
        ("app,linux,container", None, Os.LINUX),
        (None, None, Os.WINDOWS),
    ],
)
async def test_the_operating_system(*, kind: str | None, reserved: bool | None, os: Os) -> None:
    """Linux shows in `kind` or in `reserved`; a site without either runs Windows."""
    said = {"id": SITE, "kind": kind, "properties": {"reserved": reserved, "state": "Stopped"}}
    async with app_service(Azure(answering(200, said))) as adapter:
        site = await adapter.get_site(SITE)
    assert (site.os, site.running, site.host) == (os, False, "")


async def test_a_write_carries_its_permit() -> None:
    """The permit's id goes along as a correlation id, alike for one permit; the user agent names us."""
    azure = Azure(answering(200, {"properties": {}}))
    async with app_service(azure) as adapter:
        await adapter.put_app_settings(SITE, SETTINGS, permit=PERMIT)
        await adapter.put_connection_strings(SITE, {}, permit=PERMIT)
    first, second = (header["x-ms-correlation-request-id"] for header in azure.headers)
    assert first == second == str(uuid.UUID(first))
    assert azure.headers[0]["User-Agent"].startswith("counterpart")


async def test_logs_hold_no_value(caplog: pytest.LogCaptureFixture) -> None:
    """Even with every logger at DEBUG, reading and writing settings logs no value."""

    async def handle(request: web.Request) -> web.Response:
        if request.path.endswith("connectionstrings/list"):
            return web.json_response({"properties": {"Db": {"value": SECRET, "type": "Custom"}}})
        return web.json_response({"properties": {"A": SECRET}})

    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="azure")  # which `connect` quietens for its whole process
    async with app_service(Azure(handle)) as adapter:
        settings = await adapter.get_settings(SITE)
        await adapter.put_app_settings(SITE, settings.app, permit=PERMIT)
        await adapter.put_connection_strings(SITE, settings.connections, permit=PERMIT)
    assert settings.app["A"] == settings.connections["Db"].value == Value(SECRET)
    assert any("PUT" in record.getMessage() for record in caplog.records)
    assert SECRET not in caplog.text
    assert SECRET not in repr(settings)


AS_READ = (
    '{"Null":null,"Empty":"","Truth":true,"Number":1.10,"Big":123456789012345678901234567890,"Huge":1e999,'
    '"Nested":{"a":[1,"1",null]},"Half":"\\ud800","\\ud800":"x","items":"x"}'
)
PAIRS_AS_READ = (
    '{"Plain":{"value":"x","type":"SQLAzure"},"Null":{"value":null,"type":"Custom"},"Half":{"value":"x"},'
    '"Typed":{"value":"x","type":2},"More":{"value":"x","type":"Custom","slot":true},"None":null,"Text":"x"}'
)


async def test_what_is_no_text_is_written_back_as_it_was_read() -> None:
    """Null, truth values, numbers and what nobody would think of go back character by character."""
    sent: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        if request.method == "PUT":
            sent.append(await request.text())
        pairs = "connectionstrings" in request.path
        body = f'{{"properties":{PAIRS_AS_READ if pairs else AS_READ}}}'
        return web.Response(text=body, content_type="application/json")

    async with app_service(Azure(handle)) as adapter:
        settings = await adapter.get_settings(SITE)
        await adapter.put_app_settings(SITE, settings.app, permit=PERMIT)
        await adapter.put_connection_strings(SITE, settings.connections, permit=PERMIT)
    assert sent == [f'{{"properties":{name}}}' for name in (AS_READ.replace(", ", ","), PAIRS_AS_READ)]
    assert len({settings.app[name] for name in ("Null", "Empty", "Truth", "Number")}) == 4


@pytest.mark.parametrize("body", ["[]", "1", "{}", '{"properties":[]}', '{"properties":"x"}'])
async def test_an_answer_without_settings_is_none(body: str) -> None:
    """What is no map of settings is not taken for a site that has none."""

    async def handle(_: web.Request) -> web.Response:
        return web.Response(text=body, content_type="application/json")

    async with app_service(Azure(handle)) as adapter:
        with pytest.raises(Unavailable, match="cannot be read"):
            await adapter.get_settings(SITE)


async def test_one_failing_read_stops_the_other() -> None:
    """When one of the two reads fails, its error comes by itself, not in a group."""

    async def handle(request: web.Request) -> web.Response:
        if request.path.endswith("connectionstrings/list"):
            return web.json_response(an_error("AuthorizationFailed"), status=403)
        return web.json_response({"properties": {}})

    async with app_service(Azure(handle)) as adapter:
        with pytest.raises(Denied, match="connection strings"):
            await adapter.get_settings(SITE)


def test_a_site_id_in_parts() -> None:
    """Any casing of the fixed words is read; the names keep theirs."""
    assert (
        parse_resource_id(SITE)
        == parse_resource_id(SITE.replace("Groups", "groups"))
        == ("5a7e", "rg-a", "app-a")
    )
    assert parse_resource_id(SITE.upper()) == ("5A7E", "RG-A", "APP-A")


@pytest.mark.parametrize(
    "site_id",
    [
        "",
        "app-a",
        f"{SITE}/",
        f"{SITE}/slots/blue",
        SITE.replace("Web", "Network"),
        f"https://x{SITE}",
        f"{SITE}\n",
    ],
)
async def test_no_site_id(site_id: str) -> None:
    """Nothing is asked under what is no site's id: there is no such site."""
    azure = Azure(answering(200, {}))
    async with app_service(azure) as adapter:
        for call in (
            adapter.get_site(site_id),
            adapter.get_settings(site_id),
            adapter.list_references(site_id),
            adapter.put_app_settings(site_id, SETTINGS, permit=PERMIT),
            adapter.put_connection_strings(site_id, {}, permit=PERMIT),
        ):
            with pytest.raises(NotFound, match="not the id of a web app"):
                await call
    assert azure.seen == []
