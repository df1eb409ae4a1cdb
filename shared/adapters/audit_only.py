"""Stands where the writing adapters would, when Counterpart may only look: whatever is asked of it is refused.

The disruption slice grants no permit then. This is for whatever does not ask for one.
"""

from typing import Any, Never

from shared.disruption.permit import AUDIT_ONLY
from shared.errors import Refused


class AuditOnly:
    """The ports `SettingsWrites`, `AppControl` and `EndpointControl`, of which none does anything."""

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

    async def enable_endpoint(self, *_: Any, **__: Any) -> Never:
        """Refused."""
        raise Refused(AUDIT_ONLY)
