"""Stands where the writing adapters would, when Counterpart may only look: whatever is asked of it is refused.

The disruption slice grants no permit then. This is for whatever does not ask for one. But what a drill or a hold took
out of DNS before is given back all the same (law 6), as far as the identity's role allows it.
"""

from typing import Any, Never

from shared.disruption.permit import AUDIT_ONLY
from shared.disruption.ports import EndpointControl
from shared.errors import Refused


class AuditOnly:
    """The ports `SettingsWrites`, `AppControl` and `EndpointControl`, of which nothing is left but giving back."""

    def __init__(self, endpoints: EndpointControl) -> None:
        self._endpoints = endpoints

    async def put_app_settings(self, *_: Any, **__: Any) -> Never:
        """Refused."""
        raise Refused(AUDIT_ONLY)

    async def put_connection_strings(self, *_: Any, **__: Any) -> Never:
        """Refused."""
        raise Refused(AUDIT_ONLY)

    async def restart(self, *_: Any, **__: Any) -> Never:
        """Refused."""
        raise Refused(AUDIT_ONLY)

    async def disable_endpoint(self, *_: Any, **__: Any) -> Never:
        """Refused."""
        raise Refused(AUDIT_ONLY)

    async def enable_endpoint(self, profile_id: str, endpoint: str, *, weight: int | None = None) -> None:
        """Passed on: whoever asks has taken it out before."""
        await self._endpoints.enable_endpoint(profile_id, endpoint, weight=weight)
