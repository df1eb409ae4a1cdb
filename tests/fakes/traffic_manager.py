"""Traffic Manager in a list: the ports Profiles and EndpointControl."""

from collections.abc import Callable, Sequence

import msgspec

from shared.disruption.model import Permit
from shared.errors import NotFound
from shared.groups.model import MonitorStatus, Profile


def _nothing() -> None:
    """A hook that lets everything pass."""


class FakeProfiles:
    """Profiles of all subscriptions. `before_read` raises to make a read fail; `reads` lists the calls.

    `before_patch` raises to make a change fail without effect, `after_patch` after its effect. `patches` lists
    what was changed: (endpoint, enabled, weight).
    """

    def __init__(self, profiles: Sequence[Profile] = ()) -> None:
        self.profiles = list(profiles)
        self.reads: list[str] = []  # subscriptions
        self.before_read: Callable[[], None] = _nothing
        self.before_patch: Callable[[], None] = _nothing
        self.after_patch: Callable[[], None] = _nothing
        self.patches: list[tuple[str, bool, int | None]] = []
        self.permits: list[Permit] = []

    async def list_profiles(self, subscription: str) -> tuple[Profile, ...]:
        """The profiles whose id lies in the subscription."""
        self.reads.append(subscription)
        self.before_read()
        inside = f"/subscriptions/{subscription}/".lower()
        return tuple(profile for profile in self.profiles if profile.id.lower().startswith(inside))

    async def disable_endpoint(self, profile_id: str, endpoint: str, *, permit: Permit) -> None:
        """Take it out of DNS."""
        self.permits.append(permit)
        self._patch(profile_id, endpoint, enabled=False, weight=None)

    async def enable_endpoint(self, profile_id: str, endpoint: str, *, weight: int | None = None) -> None:
        """Put it back; Traffic Manager begins with CheckingEndpoint."""
        self._patch(profile_id, endpoint, enabled=True, weight=weight)

    def _patch(self, profile_id: str, endpoint: str, *, enabled: bool, weight: int | None) -> None:
        known = {
            (profile.id, endpoint.name): endpoint.enabled
            for profile in self.profiles
            for endpoint in profile.endpoints
        }
        if (profile_id, endpoint) not in known:
            raise NotFound(f"there is no endpoint {endpoint} of {profile_id}")
        self.before_patch()
        self.patches.append((endpoint, enabled, weight))
        status = MonitorStatus.CHECKING if enabled else MonitorStatus.DISABLED
        changed = known[profile_id, endpoint] != enabled
        self.set_endpoint(endpoint, status=status if changed else None, enabled=enabled, weight=weight)
        self.after_patch()

    def set_endpoint(
        self,
        name: str,
        *,
        status: MonitorStatus | None = None,
        enabled: bool | None = None,
        weight: int | None = None,
    ) -> None:
        """Change every endpoint of that name, in all profiles."""
        given = {"status": status, "enabled": enabled, "weight": weight}
        changes = {key: monitor_status for key, monitor_status in given.items() if monitor_status is not None}
        self.profiles = [
            msgspec.structs.replace(
                profile,
                endpoints=tuple(
                    msgspec.structs.replace(endpoint, **changes) if endpoint.name == name else endpoint
                    for endpoint in profile.endpoints
                ),
            )
            for profile in self.profiles
        ]
