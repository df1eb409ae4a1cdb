"""No foreign error gets out unmapped, and no text of one gets into ours."""

import asyncio
import inspect
import logging
import socket
import sqlite3
import ssl
import traceback
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import aiohttp
import azure.core.exceptions
import azure.identity
import dns.exception
import dns.resolver
import pytest
from aiohttp.client_reqrep import ConnectionKey
from azure.core.exceptions import HttpResponseError
from azure.core.rest import HttpRequest
from multidict import CIMultiDict
from yarl import URL

from shared.adapters.failures import (
    _RULES,
    FOREIGN,
    LONGEST_WAIT,
    RETRY,
    Foreign,
    asked_wait,
    not_counted,
    of_status,
    translate,
    translated,
    within,
)
from shared.errors import (
    AppError,
    Conflict,
    Denied,
    Effect,
    NotFound,
    PermanentError,
    Throttled,
    TransientError,
    Unavailable,
)

VALUE = "v4lue-of-a-setting"
WALKED: list[ModuleType] = [azure.core.exceptions, azure.identity, aiohttp, sqlite3, dns.exception]


def public_errors() -> Iterator[type[Exception]]:
    """The public exception classes of the libraries we call; a warning (of Python's kind) is not raised."""
    for module in WALKED:
        for name, kind in inspect.getmembers(module, inspect.isclass):
            if issubclass(kind, Exception) and not issubclass(kind, Warning) and not name.startswith("_"):
                yield kind


def an_instance(kind: type[Exception]) -> Exception:
    """An error of the class, made without its constructor's arguments: the class is what is mapped."""
    error = kind.__new__(kind)
    error.args = (VALUE,)
    for name, value in blank_fields(kind):
        setattr(error, name, value)
    return error


def blank_fields(kind: type[Exception]) -> list[tuple[str, Any]]:
    """Return what a constructor would have set, for the classes whose fields the mapping reads."""
    if issubclass(kind, HttpResponseError):
        return [("status_code", None), ("response", None), ("error", None), ("message", VALUE)]
    if issubclass(kind, azure.core.exceptions.AzureError):
        return [("inner_exception", None), ("message", VALUE)]
    if issubclass(kind, aiohttp.ClientResponseError):
        return [("status", 400), ("headers", None)]
    return []


class Answer(SimpleNamespace):
    """An answer as the SDK keeps it in its errors."""

    def text(self) -> str:
        """A body with a setting's value in it."""
        return f'{{"error": {{"code": "BadThing", "message": "the value {VALUE} is wrong"}}}}'


def answered(
    status: int, *, headers: dict[str, str] | None = None, kind: type[HttpResponseError] = HttpResponseError
) -> HttpResponseError:
    """The SDK's error for an answer with that status."""
    request = HttpRequest("PUT", f"https://example.test/sites/one/config?sig={VALUE}")
    response = Answer(
        status_code=status, reason="No", headers=CIMultiDict(headers or {}), request=request, content_type=""
    )
    return kind(message=f"refused {VALUE}", response=response)


@pytest.mark.parametrize("kind", sorted(set(public_errors()), key=str))
def test_no_error_of_a_library_is_unmapped(kind: type[Exception]) -> None:
    """Each public class is caught and has a rule of its own, not the last resort; its text stays out."""
    assert issubclass(kind, FOREIGN)
    assert any(issubclass(kind, kinds) for kinds, _ in _RULES)
    with pytest.raises(AppError, match="read the thing") as caught, translated("read the thing"):
        raise an_instance(kind)
    if not issubclass(kind, (sqlite3.Error, sqlite3.Warning)):  # SQLite's texts hold no values
        assert VALUE not in str(caught.value)


def test_the_walk_finds_the_classes_that_matter() -> None:
    """The walk above is not empty by accident."""
    found = set(public_errors())
    assert {
        HttpResponseError,
        azure.identity.CredentialUnavailableError,
        aiohttp.ServerDisconnectedError,
        sqlite3.OperationalError,
        dns.exception.Timeout,
    } <= found
    assert len(found) > 60


@pytest.mark.parametrize(
    ("status", "ours"),
    [
        (400, PermanentError),
        (401, Denied),
        (403, Denied),
        (404, NotFound),
        (405, PermanentError),
        (408, Unavailable),
        (409, Conflict),
        (410, NotFound),
        (412, Conflict),
        (413, PermanentError),
        (422, PermanentError),
        (429, Throttled),
        (500, Unavailable),
        (502, Unavailable),
        (503, Unavailable),
        (504, Unavailable),
    ],
)
def test_a_status_has_one_meaning_whoever_reports_it(status: int, ours: type[AppError]) -> None:
    """The SDKs' answers, aiohttp's and a bare status map alike."""
    assert type(of_status(status, "x")) is ours
    assert type(translate(answered(status), "x")) is ours
    info = SimpleNamespace(real_url=URL("https://example.test/"))
    assert type(translate(aiohttp.ClientResponseError(info, (), status=status), "x")) is ours  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "ours"),
    [
        (azure.core.exceptions.ResourceNotFoundError, NotFound),
        (azure.core.exceptions.ResourceExistsError, Conflict),
        (azure.core.exceptions.ResourceModifiedError, Conflict),
        (azure.core.exceptions.ClientAuthenticationError, Unavailable),  # no answer: no identity had a token
        (azure.identity.CredentialUnavailableError, Unavailable),
        (azure.core.exceptions.ServiceRequestError, Unavailable),
        (azure.core.exceptions.ServiceResponseTimeoutError, Unavailable),
        (aiohttp.ClientConnectionError, Unavailable),
        (aiohttp.ServerTimeoutError, Unavailable),
        (aiohttp.InvalidURL, PermanentError),
        (TimeoutError, Unavailable),
        (ConnectionResetError, Unavailable),
        (socket.gaierror, Unavailable),
        (ssl.SSLError, Unavailable),
        (dns.exception.Timeout, Unavailable),
        (dns.resolver.NXDOMAIN, NotFound),
        (sqlite3.IntegrityError, Conflict),
        (sqlite3.OperationalError, Unavailable),
        (sqlite3.ProgrammingError, PermanentError),
        (sqlite3.DatabaseError, PermanentError),
    ],
)
def test_an_error_without_an_answer_is_mapped_by_its_class(
    kind: type[Exception], ours: type[AppError]
) -> None:
    """What kind of failure it was decides whether later may work."""
    assert type(translate(an_instance(kind), "x")) is ours


@pytest.mark.parametrize(
    "kind",
    [aiohttp.ClientConnectorError, aiohttp.ClientConnectorDNSError, aiohttp.ConnectionTimeoutError],
)
def test_what_was_never_sent_took_no_effect(kind: type[Exception]) -> None:
    """Without a connection nothing reached the other side; when one broke, nobody knows."""
    sent = azure.core.exceptions.ServiceRequestError("x")
    sent.inner_exception = an_instance(kind)
    assert translate(an_instance(kind), "x").effect is Effect.NOT_APPLIED
    assert translate(sent, "x").effect is Effect.NOT_APPLIED
    assert translate(an_instance(aiohttp.ServerDisconnectedError), "x").effect is Effect.UNKNOWN
    assert translate(TimeoutError(), "x").effect is Effect.UNKNOWN


def test_a_message_says_what_where_status_and_code() -> None:
    """Enough to act on, without the body or the query."""
    error = translate(answered(403), "write settings of one", needs="Microsoft.Web/sites/config/write")
    assert str(error) == (
        "write settings of one (PUT /sites/one/config): HTTP 403 BadThing: "
        "our identity may not do this; it needs Microsoft.Web/sites/config/write"
    )


def test_a_code_that_is_no_word_is_left_out() -> None:
    """A service that puts a sentence where the code belongs puts nothing into our message."""
    error = answered(400, headers={"x-ms-error-code": f"the value {VALUE} is wrong"})
    error.error = None
    assert str(translate(error, "x")) == "x (PUT /sites/one/config): HTTP 400"


def test_a_logged_traceback_shows_no_body(caplog: pytest.LogCaptureFixture) -> None:
    """Ours is raised from a stand-in: the frames of the foreign error are kept, its text is not."""
    with pytest.raises(PermanentError) as caught, translated("write settings"):
        raise_from_the_sdk()
    logging.getLogger("test").error("failed", exc_info=caught.value)
    assert isinstance(caught.value.__cause__, Foreign)
    assert caught.value.__cause__.kind is HttpResponseError
    told = "".join(traceback.format_exception(caught.value)) + caplog.text
    assert "raise_from_the_sdk" in told
    assert "azure.core.exceptions.HttpResponseError" in told
    assert VALUE not in told


def raise_from_the_sdk() -> None:
    """A frame to be found in the traceback."""
    raise answered(400)


def test_our_own_errors_and_mistakes_pass_through() -> None:
    """What is ours is not wrapped again; a bug is not dressed up as a failure of the network."""
    mine = Conflict("mine")
    with pytest.raises(Conflict) as caught, translated("x"):
        raise mine
    assert caught.value is mine
    with pytest.raises(KeyError), translated("x"):
        raise KeyError("a bug")


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("Fri, 02 Jan 2026 00:00:30 GMT", 30.0),
        ("Thu, 01 Jan 2026 00:00:00 GMT", 0.0),
        ("soon", None),
        ("-3", None),
        ("", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_date(said: str, seconds: float | None) -> None:
    """Both forms that HTTP allows; nonsense is nothing."""
    now = datetime(2026, 1, 2, tzinfo=UTC)
    assert asked_wait(CIMultiDict({"retry-after": said}), now=now) == seconds


@pytest.mark.parametrize("status", [429, 503, 409])
def test_patience_asked_for_is_handed_on(status: int) -> None:
    """Retry-After becomes `retry_after`."""
    error = translate(answered(status, headers={"Retry-After": "12"}), "x")
    assert isinstance(error, TransientError)
    assert error.retry_after == 12.0


async def test_a_deadline_that_passes_is_unavailable() -> None:
    """However long the SDK would sleep, we stop, and say so."""
    with pytest.raises(Unavailable, match=r"list profiles: no answer within 0\.01 s"):
        await sleep_within(0.01)


async def sleep_within(seconds: float) -> None:
    """An SDK that sleeps an hour because it was told to."""
    async with within(seconds, "list profiles"):
        with translated("list profiles"):
            await asyncio.sleep(3600)


async def test_a_deadline_leaves_the_rest_alone() -> None:
    """In time nothing happens; another's TimeoutError and a cancellation are not taken for the deadline."""
    async with within(60, "x"):
        pass
    for other in (TimeoutError(), asyncio.CancelledError()):
        with pytest.raises(type(other)):
            await raise_within(other)


async def raise_within(error: BaseException) -> None:
    """What comes out of a block in time."""
    async with within(60, "x"):
        raise error


async def test_a_refused_connection_names_the_systems_error(unused_tcp_port: int) -> None:
    """A real one, through aiohttp."""
    async with aiohttp.ClientSession() as session:
        with pytest.raises(Unavailable, match=r"ClientConnectorError.*ECONNREFUSED"), translated("probe"):
            await session.get(f"http://127.0.0.1:{unused_tcp_port}/?key={VALUE}")


def test_a_certificate_nobody_vouches_for_says_where_to_look() -> None:
    """The one TLS failure that a setting of ours mends."""
    key = ConnectionKey("a.test", 443, True, True, None, None, None)  # noqa: FBT003 -- aiohttp's own tuple
    error = aiohttp.ClientConnectorCertificateError(key, ssl.SSLCertVerificationError("no"))
    assert "CA bundle" in str(translate(error, "probe"))


def test_a_locked_database_is_unavailable(tmp_path: Path) -> None:
    """A real one: two writers on one file."""
    path = tmp_path / "file.sqlite"
    with closing(sqlite3.connect(path, timeout=0)) as one, closing(sqlite3.connect(path, timeout=0)) as two:
        one.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match="another process"), translated("put"):
            two.execute("BEGIN IMMEDIATE")


def test_retries_are_few_and_short() -> None:
    """Whatever azure-core adds up from these stays under a second or two: our deadlines are the rest."""
    assert RETRY["retry_total"] <= 3
    assert RETRY["retry_backoff_max"] <= 5


async def wait_and_read(turn: float, answer: float) -> None:
    """A call with a deadline of 0.1 s, which waits for its turn first."""
    async with within(0.1, "read"):
        with not_counted():
            await asyncio.sleep(turn)
        await asyncio.sleep(answer)


async def test_waiting_for_a_turn_is_not_counted() -> None:
    """A deadline is for the other side: what a call waits on this side comes on top."""
    await wait_and_read(0.2, 0)
    with pytest.raises(Unavailable, match=r"no answer within 0\.1 s"):
        await wait_and_read(0.2, 1)


async def test_not_counted_without_a_deadline() -> None:
    """It changes nothing."""
    with not_counted():
        await asyncio.sleep(0)


@pytest.mark.parametrize("said", ["9" * 400, "90000", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_nobody_is_made_to_wait_for_ever(said: str) -> None:
    """Whatever the other side asks for, a day is the most, and it is a number that can be used."""
    assert asked_wait({"Retry-After": said}, now=datetime(2026, 3, 2, tzinfo=UTC)) == LONGEST_WAIT
