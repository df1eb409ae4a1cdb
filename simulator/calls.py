"""How Azure's services call webhooks: one POST, and the status that comes back in time, if one does."""

import asyncio
from collections.abc import Mapping

import aiohttp


async def post(
    session: aiohttp.ClientSession, url: str, body: bytes, headers: Mapping[str, str], *, within: float
) -> int | None:
    """The answer's status, or None when none came within so many seconds. Redirects are not followed."""
    try:
        async with (
            asyncio.timeout(within),
            session.post(url, data=body, headers=headers, allow_redirects=False) as answer,
        ):
            return answer.status
    except (aiohttp.ClientError, TimeoutError, OSError):
        return None
