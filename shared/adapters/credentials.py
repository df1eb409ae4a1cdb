"""Credentials for Azure: the managed identity in the cloud, the operator's own sign-in elsewhere.

Imports azure-identity; import it lazily.
"""

import base64
import binascii
import json
import os
from typing import Any

import aiohttp
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.pipeline.transport import AioHttpTransport
from azure.identity.aio import DefaultAzureCredential

from shared.adapters.failures import RETRY, translated, within
from shared.adapters.resource_manager import PUBLIC_ARM
from shared.errors import Unavailable

TOKEN_DEADLINE = 30.0  # seconds


def open_credential(
    session: aiohttp.ClientSession,
    *,
    arm_url: str = PUBLIC_ARM,
    authority: str = "",
) -> AsyncTokenCredential:
    """The chain of azure-identity, which reads AZURE_* and IDENTITY_* from the environment by itself.

    Its order: a service principal of AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_CLIENT_SECRET; a workload
    identity; the managed identity; then the sign-ins of the developer tools (az login). Where App Service
    offers a managed identity the developer tools are left out: looking for them takes seconds of every
    failed token request.

    Args:
        session: lent; tokens are asked over it, so that it brings the trusted CAs and the resolver.
        arm_url: of Resource Manager. With any but public Azure's, nobody asks public Azure whether the
            authority is a known one.
        authority: URL of the sign-in service; empty leaves it to AZURE_AUTHORITY_HOST, then public Azure.
    """
    options: dict[str, Any] = {
        **RETRY,
        "transport": AioHttpTransport(session=session, session_owner=False),
        "logging_enable": False,
    }
    if authority:
        options["authority"] = authority
    if arm_url.rstrip("/") != PUBLIC_ARM:
        options["disable_instance_discovery"] = True
    if os.environ.get("IDENTITY_ENDPOINT"):
        options |= {f"exclude_{tool}_credential": True for tool in _DEVELOPER_TOOLS}
    return DefaultAzureCredential(**options)


class SignedIn:
    """The identity that a credential's tokens are for, as Entra names it in the token for Resource Manager."""

    def __init__(self, credential: AsyncTokenCredential, *, audience: str) -> None:
        self._credential = credential
        self._scope = f"{audience.rstrip('/')}/.default"

    async def name(self) -> str:
        """The token's `upn` (or its newer names) for a person, `appid` for an application.

        The claims are read, not verified: they name who acts in a record, and give no right.
        """
        what = "ask who is signed in"
        async with within(TOKEN_DEADLINE, what):
            with translated(what):
                token = await self._credential.get_token(self._scope)
        claims = _claims(token.token)
        for claim in ("upn", "unique_name", "preferred_username", "appid", "azp", "oid"):
            found = claims.get(claim)
            if isinstance(found, str) and found:
                return f"app {found}" if claim in {"appid", "azp"} else found
        raise Unavailable("the token names nobody: say who decides with --by")


def _claims(token: str) -> dict[str, Any]:
    """The claims of a JSON Web Token; none where it is no such token."""
    try:
        payload = token.split(".")[1]
        found = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError, binascii.Error):
        return {}
    return found if isinstance(found, dict) else {}


_DEVELOPER_TOOLS = ("shared_token_cache", "visual_studio_code", "cli", "developer_cli", "powershell")
