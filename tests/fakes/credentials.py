"""A sign-in that always succeeds: azure-core's AsyncTokenCredential, for servers that do not look at tokens."""

from types import TracebackType
from typing import Any, Self

from azure.core.credentials import AccessToken, AccessTokenInfo

FOREVER = 4_102_444_800  # Unix seconds: the year 2100


class FakeCredential:
    """Gives one token; `scopes` lists what it was asked for."""

    def __init__(self, token: str = "a-token") -> None:  # noqa: S107 -- opens nothing
        self._token = token
        self.scopes: list[tuple[str, ...]] = []

    async def get_token(self, *scopes: str, **_options: Any) -> AccessToken:
        """The token."""
        self.scopes.append(scopes)
        return AccessToken(self._token, FOREVER)

    async def get_token_info(self, *scopes: str, **_options: Any) -> AccessTokenInfo:
        """The token."""
        self.scopes.append(scopes)
        return AccessTokenInfo(self._token, FOREVER)

    async def close(self) -> None:
        """Nothing is held."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        """Nothing is held."""
