"""What every simulated service does alike: it reads a request's JSON, and refuses in its own shape."""

import hmac
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Middleware

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
type Shape = Callable[[web.Request, int, str], web.Response]  # of a status and a sentence


def parsed(sent: bytes) -> Any:
    """Return what a request's body says. Raises ValueError for what is no JSON, no UTF-8, or nested too deep."""

    def refused(name: str) -> None:
        raise ValueError(f"{name} is no JSON")

    try:
        return json.loads(sent.decode(), parse_constant=refused)
    except RecursionError:
        raise ValueError("the JSON is nested too deep") from None


def skipped(query: Mapping[str, str]) -> int | None:
    """Return how many items a list's `$skiptoken` skips, or None for a token that this service never made."""
    sent = query.get("$skiptoken", "0")
    return int(sent) if re.fullmatch(r"[0-9]{1,9}", sent, re.ASCII) else None


def is_secret(sent: str, secret: str) -> bool:
    """Return whether a caller sent the secret; it may send any text."""
    return hmac.compare_digest(sent.encode(errors="surrogatepass"), secret.encode())


def refusing(shape: Shape) -> Middleware:
    """Return the middleware by which the web server's own refusals have the service's shape.

    They are for a path or method that there is none of, and for a body that is too large or not in the encoding that
    it names.
    """

    @web.middleware
    async def shaped(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPRequestEntityTooLarge:
            return shape(request, 413, "The request's body is too large.")
        except web.RequestPayloadError:
            return shape(request, 400, "The request's body is not in the encoding that it names.")
        except web.HTTPClientError as refused:
            return shape(request, refused.status, f"{refused.reason}.")

    return shaped
