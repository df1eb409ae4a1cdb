"""Reads an app's version from its home page: the port `HomePages`. Never raises.

SCEPman shows its version there, unless `AppConfig:AnonymousHomePageAccess` turns the page off. The page is for
people, so what is looked for is loose: the word Version and a number with dots near it.
"""

import re
from typing import Final

import aiohttp
from yarl import URL

TIMEOUT: Final = 10.0  # seconds
LARGEST: Final = 256 * 1024  # bytes of the page that are looked through

_OK: Final = 200
_VERSION: Final = re.compile(
    r"\bversion\b(?:[\s:]|&nbsp;|<[^<>]{0,200}>){0,20}v?(\d+(?:\.\d+){1,3})\b", re.IGNORECASE
)


class HttpHomePages:
    """Home pages over a lent aiohttp session, which brings the trusted CAs and the resolver."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def get_version(self, host: str, *, port: int) -> str:
        """The version that the home page shows, empty when it shows none."""
        try:
            async with self._session.get(
                URL.build(scheme="https", host=host, port=port, path="/"),
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=TIMEOUT),
            ) as answer:
                if answer.status != _OK:
                    return ""
                return parse_version(await _read(answer.content, LARGEST))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return ""


def parse_version(page: bytes) -> str:
    """The version on a home page, empty when there is none."""
    found = _VERSION.search(page.decode("utf-8", "replace"))
    return found[1] if found else ""


async def _read(content: aiohttp.StreamReader, limit: int) -> bytes:
    body = bytearray()
    while len(body) < limit and (chunk := await content.read(limit - len(body))):
        body += chunk
    return bytes(body)
