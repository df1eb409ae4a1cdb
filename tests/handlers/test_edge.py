"""The edge: every error has a status, what cannot be helped is acknowledged, and all else rises."""

import logging
from dataclasses import replace

import azure.functions as func
import msgspec
import pytest

from handlers import health
from handlers._edge import HTML, JSON, LONGEST, MARKDOWN, STATUSES, Answer, Asked, answer, preferred, settle
from shared import errors
from shared.errors import (
    AppError,
    BadEvent,
    Conflict,
    PermanentError,
    SettingsError,
    TransientError,
    Unavailable,
)
from shared.ports import Ports
from shared.settings import Settings
from shared.store import Key, Stored
from tests.fakes.store import FakeStore
from tests.rounds import World

BODY = b"{}"


def request(body: bytes = BODY, headers: dict[str, str] | None = None) -> func.HttpRequest:
    return func.HttpRequest(
        "POST", "https://counterpart.test/api/decisions", headers=headers or {}, body=body
    )


def world() -> tuple[Ports, Settings]:
    made = World()
    return made.ports, made.settings


def unconfigured() -> tuple[Ports, Settings]:
    raise SettingsError(("COUNTERPART_STORE is missing", "COUNTERPART_SOAK: no duration"))


def all_errors(kind: type[AppError] = AppError) -> list[type[AppError]]:
    return [kind, *(deeper for subclass in kind.__subclasses__() for deeper in all_errors(subclass))]


def made(kind: type[AppError]) -> AppError:
    return SettingsError(("a problem",)) if kind is SettingsError else kind("why")


@pytest.mark.parametrize("kind", [error for error in all_errors() if error.__module__ == errors.__name__])
async def test_every_error_is_a_problem_body(kind: type[AppError]) -> None:
    """Whatever a handler raises of ours, the answer is RFC 9457's, with a status of the table."""

    async def failing(asked: Asked, *, ports: Ports, settings: Settings) -> Answer:
        raise made(kind)

    got = await answer(failing, request(), world)
    body = msgspec.json.decode(got.get_body())
    abstract = {AppError, errors.PermanentError}
    expected = (
        {500} if kind in abstract else {status for fits, status, _ in STATUSES if issubclass(kind, fits)}
    )
    assert got.status_code in expected
    assert got.mimetype == "application/problem+json"
    assert body["status"] == got.status_code
    assert body["detail"]
    assert body["type"] == f"urn:counterpart:{kind.__name__}"
    assert ("Retry-After" in got.headers) == issubclass(kind, TransientError)


async def test_a_wrong_configuration_is_said_by_name() -> None:
    """Every problem of the configuration is in the answer, so that `health` says what to mend."""
    got = await answer(health.handle, request(), unconfigured)
    assert got.status_code == 503
    problems = msgspec.json.decode(got.get_body())["problems"]
    assert problems == ["COUNTERPART_STORE is missing", "COUNTERPART_SOAK: no duration"]


async def test_health_is_well() -> None:
    """Configured, and the store answers."""
    got = await answer(health.handle, request(), world)
    assert got.status_code == 200
    assert msgspec.json.decode(got.get_body()) == {"status": "ok", "store": "ok"}


async def test_a_store_that_is_corrupt_is_no_fault_of_the_request() -> None:
    """503, which a monitor asks again; the sentence says what is wrong."""
    ports, settings = world()

    class Corrupt(FakeStore):
        async def get(self, key: Key) -> Stored | None:
            raise PermanentError(f"get {key}: DatabaseError: database disk image is malformed")

    broken = replace(ports, store=Corrupt())
    got = await answer(health.handle, request(), lambda: (broken, settings))
    assert got.status_code == 503
    assert "malformed" in msgspec.json.decode(got.get_body())["detail"]


async def test_a_long_body_is_not_read_further() -> None:
    """A body beyond the limit is refused before a handler sees it."""
    got = await answer(health.handle, request(b"x" * (LONGEST + 1)), world)
    assert got.status_code == 422


async def test_the_platform_says_who_asks() -> None:
    """The signed-in person is taken from the platform's header, and only where its sign-in is on."""
    seen: list[str] = []

    async def noting(asked: Asked, *, ports: Ports, settings: Settings) -> Answer:
        seen.append(asked.person)
        return Answer(200, {})

    asked = request(headers={"x-ms-client-principal-name": "ada@contoso.test"})
    await answer(noting, asked, world, sign_in=True)
    await answer(noting, asked, world)
    assert seen == ["ada@contoso.test", ""]


async def test_a_host_that_is_none_leads_to_the_sign_in_too() -> None:
    """Which host a caller names is the caller's to say, and no reason to fail."""
    asked = func.HttpRequest("GET", "https://[f/api/incidents/a-1", body=b"", headers={"Accept": "text/html"})
    got = await answer(health.handle, asked, world, sign_in=True, reading=True)
    assert got.status_code == 302
    assert got.headers["Location"] == "/.auth/login/aad?post_login_redirect_uri=/"


async def test_what_cannot_be_helped_is_acknowledged(caplog: pytest.LogCaptureFixture) -> None:
    """A permanent error is logged and not delivered again."""

    async def refusing(value: str, /, *, ports: Ports, settings: Settings) -> None:
        raise BadEvent("not ours")

    with caplog.at_level(logging.WARNING):
        await settle(refusing, "{}", world)
    assert "BadEvent: not ours" in caplog.text


@pytest.mark.parametrize("error", [Unavailable("later"), Conflict("later"), RuntimeError("a bug")])
async def test_all_else_is_delivered_again(error: Exception) -> None:
    """A transient error, and one that nobody foresaw, rises."""

    async def failing(value: str, /, *, ports: Ports, settings: Settings) -> None:
        raise error

    with pytest.raises(type(error)):
        await settle(failing, "{}", world)


async def test_an_unconfigured_app_gets_its_events_again() -> None:
    """A wrong configuration is no reason to lose an event."""

    async def never(value: str, /, *, ports: Ports, settings: Settings) -> None:
        raise AssertionError("not reached")

    with pytest.raises(SettingsError):
        await settle(never, "{}", unconfigured)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", JSON),
        ("*/*", JSON),
        ("text/html,application/xhtml+xml,*/*;q=0.8", HTML),
        ("text/markdown", MARKDOWN),
        ("text/markdown;q=0.5, text/html;q=0.9", HTML),
        ("text/html;q=0, text/markdown;q=0.1", MARKDOWN),
        ("application/json, text/html", JSON),
        ("image/png", JSON),
        ("text/html;q=nonsense", JSON),
        ("TEXT/MARKDOWN", MARKDOWN),
        ("," * 5000, JSON),
    ],
)
def test_the_form_that_the_caller_would_rather_read(accept: str, expected: str) -> None:
    """By the weights that it gives; JSON where it is all the same, or nothing fits."""
    assert preferred(accept, (JSON, HTML, MARKDOWN)) == expected


async def test_a_refusal_says_the_same_to_programs() -> None:
    """What a rule knows stands in the problem body, beside the sentence."""

    async def refusing(asked: Asked, *, ports: Ports, settings: Settings) -> Answer:
        raise errors.Refused("not now", facts={"running": "it", "preflight": []})

    got = await answer(refusing, request(), world)
    body = msgspec.json.decode(got.get_body())
    assert (got.status_code, body["detail"], body["running"]) == (409, "not now", "it")


async def test_what_a_handler_is_told_of_the_request() -> None:
    """The key of a request that may be repeated, and the query; headers of the answer are the handler's."""

    async def telling(asked: Asked, *, ports: Ports, settings: Settings) -> Answer:
        return Answer(202, {"key": asked.idempotency}, headers={"Location": "/api/it"})

    got = await answer(telling, request(headers={"idempotency-key": "k"}), world)
    assert (got.status_code, got.headers["Location"]) == (202, "/api/it")
    assert msgspec.json.decode(got.get_body()) == {"key": "k"}
