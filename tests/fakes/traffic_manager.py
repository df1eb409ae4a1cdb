"""Traffic Manager in a list: the port Profiles."""

from collections.abc import Callable, Sequence

import msgspec

from shared.groups.model import MonitorStatus, Profile


def _nothing() -> None:
    """A hook that lets everything pass."""


class FakeProfiles:
    """Profiles of all subscriptions. `before_read` raises to make a read fail; `reads` lists the calls."""

    def __init__(self, profiles: Sequence[Profile] = ()) -> None:
        self.profiles = list(profiles)
        self.reads: list[str] = []  # subscriptions
        self.before_read: Callable[[], None] = _nothing

    async def list_profiles(self, subscription: str) -> tuple[Profile, ...]:
        """The profiles whose id lies in the subscription."""
        self.reads.append(subscription)
        self.before_read()
        inside = f"/subscriptions/{subscription}/".lower()
        return tuple(it for it in self.profiles if it.id.lower().startswith(inside))

    def set_endpoint(
        self, name: str, *, status: MonitorStatus | None = None, enabled: bool | None = None
    ) -> None:
        """Change every endpoint of that name, in all profiles."""
        changes = {key: it for key, it in (("status", status), ("enabled", enabled)) if it is not None}
        self.profiles = [
            msgspec.structs.replace(
                profile,
                endpoints=tuple(
                    msgspec.structs.replace(it, **changes) if it.name == name else it
                    for it in profile.endpoints
                ),
            )
            for profile in self.profiles
        ]
