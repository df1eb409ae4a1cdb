"""Facts for JSON: every one under the name that programs read, and no URL among them."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from shared.artifact_hosts.choose import Choice, Exhausted, Held, Keep, Rotate
from shared.artifact_hosts.model import (
    Finding,
    Flight,
    Glance,
    Happening,
    HostState,
    Location,
    Order,
    Outcome,
    Packages,
    Phase,
    Running,
    State,
    Use,
    Work,
)
from shared.artifact_hosts.render import (
    check_facts,
    finding_facts,
    package_facts,
    packages_facts,
    watch_facts,
)
from shared.artifact_hosts.transitions import SENTENCES
from shared.groups.soak import Start
from tests.artifact_hosts.hosting import a_check, a_location, a_package, a_use, a_watch
from tests.builders import a_group, site_id
from tests.fakes.clock import START

VENDOR = a_location("vendor")
BEFORE = START - timedelta(hours=1)
PACKAGE = {"digest": "a" * 64, "members": 3, "size": 1000, "newest_member": BEFORE}


def a_row(*uses: Use, **changes: Any) -> Packages:
    plain = Packages(group="g", state=State.WATCHING, since=BEFORE, reason="all is well", uses=uses)
    return msgspec.structs.replace(plain, **changes)


def a_flight(**changes: Any) -> Flight:
    plain = Flight(
        id="f",
        work=Work.ROTATE,
        phase=Phase.DONE,
        region="west",
        reason="",
        claimed_at=BEFORE,
        worker="w",
        worker_until=START,
        start=Start.ANSWERING,
        site=site_id("west").lower(),
    )
    return msgspec.structs.replace(plain, **changes)


def test_a_groups_packages() -> None:
    """All of it, region by region."""
    use = a_use("west", running=Running(version="2.9"))
    row = a_row(
        use,
        looked_at=START,
        outcome=Outcome(START, True, "done"),  # noqa: FBT003 -- as it is stored
        history=(Happening(BEFORE, State.HELD, "it waits"),),
    )
    found = Finding(kind="one-host", severity=3, text="both at one", way_out="none")
    assert packages_facts(a_group(), row, (Keep("west", "it is up"),), (found,)) == {
        "group": "scepman",
        "group_id": a_group().id,
        "state": "watching",
        "meaning": SENTENCES[State.WATCHING],
        "since": BEFORE,
        "reason": "all is well",
        "looked_at": START,
        "regions": [
            {
                "region": "west",
                "location": "github (prod, windows)",
                "host": "github",
                "channel": "prod",
                "runs": "version 2.9",
                "choice": "keep",
                "reason": "it is up",
                "to": None,
                "way_out": None,
            }
        ],
        "under_way": None,
        "last_order": {"at": START, "done": True, "reason": "done"},
        "findings": [finding_facts(found)],
        "history": [{"at": BEFORE, "state": "held", "text": "it waits"}],
    }


def test_a_region_without_a_package_url() -> None:
    """It has no place, and no order was given yet."""
    facts = packages_facts(a_group(), a_row(Use(region="west", location=None)), (), ())
    (region,) = facts["regions"]
    assert (region["location"], region["host"], region["channel"]) == (None, None, None)
    assert facts["last_order"] is None


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        (None, ("keep", "not looked at yet", None, None)),
        (Keep("west", "why"), ("keep", "why", None, None)),
        (Rotate("west", VENDOR, None, "why"), ("rotate", "why", "vendor (prod, windows)", None)),
        (Exhausted("west", "why"), ("exhausted", "why", None, None)),
        (Held("west", "why", "do this"), ("held", "why", None, "do this")),
    ],
)
def test_each_choice(choice: Choice | None, said: tuple[str | None, ...]) -> None:
    """Always the same four names, so that a program need not ask which are there."""
    row = a_row(a_use("west"))
    (region,) = packages_facts(a_group(), row, (choice,) if choice else (), ())["regions"]
    assert tuple(region[name] for name in ("choice", "reason", "to", "way_out")) == said


def test_what_is_under_way() -> None:
    """A claimed or done one before an order that waits; of an order the region whose turn it is."""
    order = Order(work=Work.RESTART, regions=("east", "west"), by="ada", at=START)

    def told(**changes: Any) -> Any:
        return packages_facts(a_group(), a_row(**changes), (), ())["under_way"]

    assert told(order=order) == {
        "work": "restart", "region": "east", "phase": "ordered", "since": START, "by": "ada",
    }  # fmt: skip
    assert told(order=order, flight=a_flight(by="eve")) == {
        "work": "rotate", "region": "west", "phase": "done", "since": BEFORE, "by": "eve",
    }  # fmt: skip
    assert told(flight=a_flight())["by"] is None, "nobody asked"


def test_a_finding() -> None:
    """One of the whole group has no region."""
    plain = Finding(kind="one-host", severity=3, text="both at one", way_out="none")
    assert finding_facts(plain) == {
        "kind": "one-host", "severity": 3, "region": None, "text": "both at one", "way_out": "none",
    }  # fmt: skip
    assert finding_facts(msgspec.structs.replace(plain, region="west"))["region"] == "west"


def test_a_watched_location() -> None:
    """With its last checks, and the state that may be acted on, which is not always the stored one."""
    row = a_watch(
        package=a_package(newest=BEFORE), glances=(Glance(START, "slow", 5, 20),), certificate_until=BEFORE
    )
    assert watch_facts(row, HostState.UNKNOWN) == {
        "location": "github (prod, windows)",
        "id": "github.prod.windows",
        "host": "github",
        "channel": "prod",
        "os": "windows",
        "state": "unknown",
        "since": BEFORE,
        "good_since": BEFORE,
        "problem": "slow",
        "checks": [{"at": START, "problem": "slow", "millis": 5, "bytes_read": 20}],
        "next_at": START,
        "package": PACKAGE,
        "certificate_until": BEFORE,
    }


def test_one_check() -> None:
    """What was found, and what it cost."""
    look = a_check(package=a_package(newest=BEFORE), certificate_until=START, bytes_read=9, millis=7)
    assert check_facts(look) == {
        "ok": True,
        "problem": "",
        "status": 206,
        "package": PACKAGE,
        "certificate_until": START,
        "bytes_read": 9,
        "millis": 7,
    }
    assert check_facts(a_check("gone"))["ok"] is False


def test_no_package() -> None:
    """Nothing is said of what was not read."""
    assert package_facts(None) is None


def test_a_location_in_words() -> None:
    """The system is said where it is known."""
    assert str(VENDOR) == "vendor (prod, windows)"
    elsewhere: Location = msgspec.structs.replace(VENDOR, os=None)
    assert str(elsewhere) == "vendor (prod)"
