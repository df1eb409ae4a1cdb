"""Foreign errors become ours here, and nowhere else: Azure SDKs, aiohttp, SQLite, DNS, sockets.

An adapter wraps each call, ``with translated("list profiles, subscription x"):``, and puts our own deadline
around what may wait long, ``async with within(20, "list profiles"):``. Messages say what, where, the status
and the error code; never the text of a foreign error: an SDK puts the answer's body into it, and a body may
hold a setting's value. For the same reason the error that ours is raised from is a stand-in (`Foreign`) that
keeps the foreign error's class and traceback: a logged traceback prints its causes.
"""

import asyncio
import errno
import re
import sqlite3
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import aiohttp.http
import azure.core.exceptions as azure
import dns.exception
import dns.resolver

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

RETRY: Final[Mapping[str, Any]] = {
    "retry_total": 2,
    "retry_connect": 2,
    "retry_read": 2,
    "retry_status": 2,
    "retry_backoff_factor": 0.4,  # seconds; the first retry is immediate (azure-core 1.41)
    "retry_backoff_max": 4,  # seconds
}
"""What every azure-core client is made with. A Retry-After is slept in full all the same: see `within`."""

FOREIGN: Final = (
    azure.AzureError,
    azure.SerializationError,
    azure.DeserializationError,
    aiohttp.ClientError,
    aiohttp.WebSocketError,
    aiohttp.WSMessageTypeError,
    aiohttp.EofStream,
    aiohttp.http.HttpProcessingError,
    sqlite3.Error,
    sqlite3.Warning,
    dns.exception.DNSException,
    OSError,  # sockets, TLS, files; TimeoutError is one
)
"""Every class that `translated` catches."""

LONGEST_WAIT: Final = 86_400.0  # seconds; who asks for more is asked again after a day
_DIGITS = 12  # that are read of a number; more of them would be no number of seconds

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,79}")

_DENIED = frozenset({401, 403})
_KINDS: Final[Mapping[int, type[PermanentError | TransientError]]] = {
    404: NotFound,
    410: NotFound,
    409: Conflict,
    412: Conflict,
    429: Throttled,
    408: Unavailable,
    425: Unavailable,
}

_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


_DEADLINE: ContextVar[asyncio.Timeout | None] = ContextVar("deadline", default=None)  # of the call under way


class Foreign(Exception):
    """Stands for an error of a library: its class and traceback, without its text."""

    def __init__(self, error: BaseException) -> None:
        self.kind = type(error)
        super().__init__(f"{self.kind.__module__}.{self.kind.__qualname__} (text withheld)")
        self.__traceback__ = error.__traceback__


@contextmanager
def translated(what: str, *, needs: str = "") -> Iterator[None]:
    """Turn every foreign error raised inside into one of ours; our own pass through.

    Args:
        what: what is done and where, for the message; no setting's value.
        needs: the role or permission that the call needs, named when Azure refuses.
    """
    try:
        yield
    except FOREIGN as error:
        raise translate(error, what, needs=needs) from Foreign(error)


@asynccontextmanager
async def within(seconds: float, what: str) -> AsyncIterator[None]:
    """Our own deadline around a call, its retries and its sleeps. Raises Unavailable when it passes.

    What the call had begun may still take effect.
    """
    try:
        async with asyncio.timeout(seconds) as deadline:
            before = _DEADLINE.set(deadline)
            try:
                yield
            finally:
                _DEADLINE.reset(before)
    except TimeoutError as error:
        if not deadline.expired():
            raise
        raise Unavailable(f"{what}: no answer within {seconds:g} s") from Foreign(error)


async def create(made: Callable[[], Awaitable[object]], what: str, *, seconds: float, needs: str) -> None:
    """Create what is not there yet; no error when somebody else has made it just now."""
    try:
        async with within(seconds, what):
            with translated(what, needs=needs):
                await made()
    except Conflict:
        return


@contextmanager
def not_counted() -> Iterator[None]:
    """Time that the innermost `within` does not count: the call waits for its turn, and nobody is slow."""
    deadline, began = _DEADLINE.get(), asyncio.get_running_loop().time()
    due = deadline.when() if deadline else None
    if deadline is None or due is None:
        yield
        return
    deadline.reschedule(None)
    try:
        yield
    finally:
        if not deadline.expired():
            deadline.reschedule(due + asyncio.get_running_loop().time() - began)


def translate(error: BaseException, what: str, *, needs: str = "") -> AppError:
    """Our error for a foreign one; an error that no rule knows is Unavailable."""
    for kinds, rule in _RULES:
        if isinstance(error, kinds):
            return rule(error, what, needs)
    return Unavailable(f"{what}: {_name(error)}")


def of_status(
    status: int, what: str, *, code: str = "", retry_after: float | None = None, needs: str = ""
) -> AppError:
    """Our error for an HTTP status of 300 or more; `code` is the service's own error code."""
    said = f"{what}: HTTP {status} {code}".rstrip()
    if status in _DENIED:
        return Denied(f"{said}: our identity may not do this; it needs {needs or 'a role that allows it'}")
    kind = _KINDS.get(status, Unavailable if status >= 500 else PermanentError)  # noqa: PLR2004 -- HTTP
    return kind(said, retry_after=retry_after) if issubclass(kind, TransientError) else kind(said)


def asked_wait(headers: Mapping[str, str] | None, *, now: datetime | None = None) -> float | None:
    """Seconds to wait, from Retry-After as seconds or as a date, a day at most; None when none is asked for.

    Args:
        headers: the answer's headers, in a mapping that ignores case.
        now: the time that a date is counted from; the machine's when None.
    """
    said = (headers or {}).get("Retry-After", "").strip()
    if not said:
        return None
    if said.isdecimal():
        return min(float(said[:_DIGITS]), LONGEST_WAIT)
    try:
        until = parsedate_to_datetime(said)
    except (ValueError, OverflowError):
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return min(max(0.0, (until - (now or datetime.now(UTC))).total_seconds()), LONGEST_WAIT)


type _Rule = Callable[[Any, str, str], AppError]


def _answered(error: azure.HttpResponseError, what: str, needs: str) -> AppError:
    """An answer of the service with a status; without one, by the error's class."""
    response = error.response
    status = error.status_code
    if status is None:
        return _unanswered(error, what)
    where = f"{what} ({_request(response)})" if _request(response) else what
    headers = getattr(response, "headers", None)
    after = asked_wait(headers)
    code = _error_code(error, headers)
    if isinstance(error, (azure.DecodeError, azure.TooManyRedirectsError)) and status < 500:  # noqa: PLR2004 -- HTTP
        return Unavailable(f"{where}: HTTP {status}, and {_name(error)}", retry_after=after)
    if isinstance(error, (azure.ResourceExistsError, azure.ResourceModifiedError)):
        return Conflict(f"{where}: HTTP {status} {code}".rstrip(), retry_after=after)
    return of_status(status, where, code=code, retry_after=after, needs=needs)


def _unanswered(error: azure.HttpResponseError, what: str) -> AppError:
    """The SDK raised an answer's error without an answer, as identities do when none of them has a token."""
    said = f"{what}: {_name(error)}"
    match error:
        case azure.ResourceExistsError() | azure.ResourceModifiedError():
            return Conflict(said)
        case azure.ResourceNotFoundError():
            return NotFound(said)
        case azure.ClientAuthenticationError():  # azure-identity's own classes are of this kind
            return Unavailable(
                f"{said}: no token was had; give the app a managed identity, or sign in (az login). "
                "If that is done, the sign-in service did not answer",
                effect=Effect.NOT_APPLIED,
            )
        case azure.ResourceNotModifiedError():
            return PermanentError(said)
        case _:
            return Unavailable(said)


def _refused_row(error: sqlite3.Error, what: str, _needs: str) -> AppError:
    """SQLite's own errors. Its texts name tables and columns, never values."""
    said = f"{what}: {_name(error)}: {error}"
    code = getattr(error, "sqlite_errorcode", None)
    if isinstance(code, int) and code & 0xFF in _BUSY:
        return Unavailable(f"{said}; another process holds the file")
    match error:
        case sqlite3.IntegrityError():
            return Conflict(said)
        case sqlite3.OperationalError() | sqlite3.InternalError():
            return Unavailable(said)
        case _:
            return PermanentError(said)


def _rejected(error: aiohttp.ClientResponseError, what: str, needs: str) -> AppError:
    return of_status(error.status, what, retry_after=asked_wait(error.headers), needs=needs)


def _unconnected(error: BaseException, what: str, _needs: str) -> AppError:
    """There was no connection, so nothing was sent."""
    return Unavailable(f"{what}: {_name(error)}{_reason(error)}", effect=Effect.NOT_APPLIED)


def _lost(error: BaseException, what: str, _needs: str) -> AppError:
    """No answer: the class of the error, and the system's name for it, say why."""
    return Unavailable(f"{what}: {_name(error)}{_reason(error)}")


def _wrapped(error: azure.AzureError, what: str, needs: str) -> AppError:
    """Return what azure-core found when it sent a request: the rule of the error inside, aiohttp's mostly."""
    inner = error.inner_exception
    if isinstance(inner, (aiohttp.ClientError, OSError)):
        return translate(inner, what, needs=needs)
    return _lost(error, what, needs)


def _untrusted(error: BaseException, what: str, _needs: str) -> AppError:
    return Unavailable(
        f"{what}: {_name(error)}: the server's certificate is not trusted; check the CA bundle",
        effect=Effect.NOT_APPLIED,
    )


def _unknown_name(error: BaseException, what: str, _needs: str) -> AppError:
    return NotFound(f"{what}: {_name(error)}: there is no such name")


def _misread(error: BaseException, what: str, _needs: str) -> AppError:
    """An answer came and was read wrongly: asking again gives the same, and the first may have taken effect."""
    return PermanentError(f"{what}: {_name(error)}", effect=Effect.UNKNOWN)


def _misused(error: BaseException, what: str, _needs: str) -> AppError:
    """Return the error for a request that cannot be sent, or a library used wrongly: asking again gives the same."""
    return PermanentError(f"{what}: {_name(error)}")


_RULES: Final[tuple[tuple[tuple[type[BaseException], ...], _Rule], ...]] = (
    # The first rule that fits wins, so that a class stands above the class it inherits from.
    ((azure.HttpResponseError,), _answered),
    (
        (azure.StreamConsumedError, azure.StreamClosedError, azure.ResponseNotReadError),
        _misread,
    ),
    ((azure.SerializationError,), _misused),
    ((azure.AzureError,), _wrapped),
    ((azure.DeserializationError,), _lost),
    ((aiohttp.ClientResponseError,), _rejected),
    ((aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError, aiohttp.WSMessageTypeError), _misused),
    ((aiohttp.ClientConnectorCertificateError, ssl.SSLCertVerificationError), _untrusted),
    ((aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError), _unconnected),
    ((aiohttp.ClientError, aiohttp.WebSocketError, aiohttp.EofStream), _lost),
    ((aiohttp.http.HttpProcessingError,), _lost),
    ((sqlite3.Error,), _refused_row),
    ((sqlite3.Warning, dns.exception.SyntaxError), _misused),
    ((dns.resolver.NXDOMAIN, dns.resolver.YXDOMAIN), _unknown_name),
    ((dns.exception.DNSException, OSError), _lost),
)


def _name(error: BaseException) -> str:
    return type(error).__name__


def _reason(error: BaseException) -> str:
    """TLS's or the system's name for what is behind an error. Not `strerror`, which may hold a URL."""
    behind = (getattr(error, "os_error", None), error)
    for item in behind:
        if isinstance(item, ssl.SSLError):  # its number means something else than the system's
            return f" ({item.reason})" if getattr(item, "reason", None) else ""
        if isinstance(item, OSError) and item.errno is not None and item.errno in errno.errorcode:
            return f" ({errno.errorcode[item.errno]})"
    return ""


def _request(response: Any) -> str:
    """The method and path that were answered. Never the query: it may carry a signature."""
    request = getattr(response, "request", None)
    method, url = getattr(request, "method", ""), getattr(request, "url", "")
    return f"{method} {urlsplit(str(url)).path}" if method and url else ""


def _error_code(error: azure.HttpResponseError, headers: Mapping[str, str] | None) -> str:
    """The service's error code, when it looks like one: a single word."""
    told = (
        getattr(error, "error_code", None),
        getattr(error.error, "code", None),
        (headers or {}).get("x-ms-error-code"),
    )
    for candidate in told:
        text = getattr(candidate, "value", candidate)
        if isinstance(text, str) and _CODE.fullmatch(text):
            return text
    return ""
