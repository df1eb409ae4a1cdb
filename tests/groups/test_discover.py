"""Which profiles are ours, and what their regions are."""

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.groups.discover import Scope, chosen, group, row_name, site_ids
from shared.groups.model import Os, Site
from tests.builders import SUBSCRIPTION, a_profile, an_endpoint, host, site_id

OTHER = SUBSCRIPTION.replace("0000", "aaaa", 1)
MINE = a_profile(name="mine")
PLAIN = a_profile(name="plain", tags=())


def test_without_names_the_tagged_profiles_are_ours() -> None:
    """The tag counts in any case; another value does not."""
    shouted = a_profile(name="shouted", tags=(("Counterpart", "MANAGED"),))
    other = a_profile(name="other", tags=(("counterpart", "ignored"),))
    lined = a_profile(name="mine_", tags=(("counterpart", "managed"),))
    letter = a_profile(name="minea", tags=(("counterpart", "managed"),))
    assert chosen([letter, lined], Scope(subscriptions=(SUBSCRIPTION,))) == (lined, letter)
    assert chosen([PLAIN, shouted, other, MINE], Scope(subscriptions=(SUBSCRIPTION,))) == (MINE, shouted)


def test_named_profiles_are_ours_whatever_their_tags() -> None:
    """And then only those; ids in any case."""
    assert chosen([PLAIN, MINE], Scope(profiles=(PLAIN.id.upper() + "/",))) == (PLAIN,)


def test_each_subscription_is_read_once() -> None:
    """Those of the named profiles and those given, in any case."""
    scope = Scope(profiles=(MINE.id, PLAIN.id), subscriptions=(SUBSCRIPTION.upper(), OTHER.upper()))
    assert scope.all_subscriptions == tuple(sorted((SUBSCRIPTION, OTHER)))


@pytest.mark.parametrize(
    "target",
    [
        "",
        f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Network/publicIPAddresses/ip",
        site_id("west") + "/slots/staging",
        site_id("west") + site_id("west"),
    ],
)
def test_only_a_web_apps_production_slot_is_a_region(target: str) -> None:
    """External and nested endpoints, other resources and slots are not."""
    profile = a_profile(an_endpoint("west"), an_endpoint("odd", target_id=target))
    assert site_ids(profile) == (site_id("west"),)


def test_a_region_is_its_endpoint_with_its_site() -> None:
    """Ids meet without regard to case; an endpoint whose site is not known is left out."""
    profile = a_profile(an_endpoint("west", target_id=site_id("west").upper()), an_endpoint("east"))
    site = Site(id=site_id("west"), host=host("west"), os=Os.LINUX, running=True)
    found = group(profile, {site_id("west").lower(): site})
    (region,) = found.regions
    assert (region.name, region.host, region.os) == ("west", host("west"), Os.LINUX)
    assert found.region("WEST") is region
    assert found.region("east") is None


@given(st.text(min_size=1, max_size=63))
def test_every_group_has_a_name_for_its_rows(name: str) -> None:
    """Any profile's name makes a key segment; case does not make another group, another id does."""
    made = row_name(a_profile(name=name).id)
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]*", made)
    assert made == row_name(a_profile(name=name).id.upper()) or name.upper().lower() != name.lower()
    assert made != row_name(a_profile(name=name).id.replace(SUBSCRIPTION, OTHER))


@pytest.mark.parametrize(
    ("name", "slug"), [("SCEPman-Prod", "scepman-prod"), ("-_-", "group"), ("_x_y_", "x-y"), ("ä1", "1")]
)
def test_a_groups_rows_can_be_found_by_eye(name: str, slug: str) -> None:
    """The profile's name, and ten digits that hold it apart from others of that name; stored, so they stay."""
    id_ = f"/subscriptions/s/resourceGroups/rg/providers/Microsoft.Network/trafficManagerProfiles/{name}"
    digits = hashlib.sha256(id_.lower().encode()).hexdigest()[:10]
    assert row_name.__wrapped__(id_) == f"{slug}-{digits}"  # what is remembered was made once
