"""Which profiles are ours, and which regions they have. Pure."""

import functools
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from shared.absence import Absence, missed
from shared.groups.model import Group, Profile, Region, Site
from shared.store import key as store_key

TAG, MANAGED = "counterpart", "managed"
_SITE = "/providers/microsoft.web/sites/"


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """The watched profiles: these, or every tagged one in these subscriptions."""

    profiles: tuple[str, ...] = ()  # ARM ids
    subscriptions: tuple[str, ...] = ()

    @property
    def all_subscriptions(self) -> tuple[str, ...]:
        """The subscriptions to read, each once."""
        named = (profile.split("/")[2] for profile in self.profiles)
        return tuple(sorted({subscription.lower() for subscription in (*named, *self.subscriptions)}))


def chosen(profiles: Iterable[Profile], scope: Scope) -> tuple[Profile, ...]:
    """The profiles that are ours, in order of their ids (compared without case, as Azure does)."""
    wanted = {profile.lower().rstrip("/") for profile in scope.profiles}
    mine = [profile for profile in profiles if (profile.id.lower() in wanted if wanted else _tagged(profile))]
    return tuple(sorted(mine, key=lambda it: it.id.lower()))


def _tagged(profile: Profile) -> bool:
    return any(name.lower() == TAG and value.lower() == MANAGED for name, value in profile.tags)


def site_ids(profile: Profile) -> tuple[str, ...]:
    """The sites behind a profile: Azure endpoints that target a web app's production slot."""
    return tuple(endpoint.target_id for endpoint in profile.endpoints if _is_site(endpoint.target_id))


def _is_site(target_id: str) -> bool:
    _, found, name = target_id.lower().partition(_SITE)
    return bool(found) and bool(name) and "/" not in name


class Member(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An endpoint that leads to a web app, as long as it is not proved to be gone."""

    name: str
    site_id: str  # in lower case
    missing: Absence | None = None


def members(profile: Profile, known: Sequence[Member], now: datetime) -> tuple[Member, ...]:
    """The endpoints that lead to web apps now, and those that this answer leaves out without proof."""
    there = tuple(
        Member(name=endpoint.name, site_id=endpoint.target_id.lower())
        for endpoint in profile.endpoints
        if _is_site(endpoint.target_id)
    )
    names = {member.name for member in there}
    away = (
        msgspec.structs.replace(member, missing=missed(member.missing, now))
        for member in known
        if member.name not in names
    )
    return (*there, *(member for member in away if member.missing is None or not member.missing.is_proof))


def are_same(some: Iterable[Member], others: Iterable[Member]) -> bool:
    """Return whether both are the same regions, be some of them missing for the moment or not."""
    return {(member.name, member.site_id) for member in some} == {
        (other.name, other.site_id) for other in others
    }


def group(profile: Profile, sites: Mapping[str, Site]) -> Group:
    """Put a profile and the facts of its sites (by lower-case id) together."""
    return Group(
        id=profile.id,
        name=profile.name,
        profile=profile,
        regions=tuple(
            Region(
                name=endpoint.name,
                location=endpoint.location,
                site_id=endpoint.target_id,
                host=site.host,
                os=site.os,
            )
            for endpoint in profile.endpoints
            if _is_site(endpoint.target_id) and (site := sites.get(endpoint.target_id.lower())) is not None
        ),
    )


@functools.lru_cache(maxsize=16_384)  # asked many times in every round
def row_name(profile_id: str) -> str:
    """The segment of a store key that stands for a group: readable, and no two groups share one."""
    return store_key(_slug(profile_id.rsplit("/", 1)[-1]) + "-" + _short(profile_id))


def _slug(name: str) -> str:
    return (
        "".join(item if item.isalnum() and item.isascii() else "-" for item in name.lower()).strip("-")
        or "group"
    )


def _short(profile_id: str) -> str:
    return hashlib.sha256(profile_id.lower().encode()).hexdigest()[:10]
