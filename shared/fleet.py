"""Many groups: what the timer hands out, one message for each group, instead of looking at all of them itself.

A message, an errand, carries what Traffic Manager said of its group and when: one read serves all groups, and whoever
runs the errand knows how old that evidence is. An errand that nobody got to in time is worth nothing: the next tick
has handed out another one, with younger evidence. Pure, and the port.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Final, Protocol

import msgspec

from shared.ages import age
from shared.cards import Card, Tone
from shared.errors import BadEvent
from shared.groups.discover import Scope, chosen, row_name
from shared.groups.model import Profile
from shared.outbox import Message
from shared.words import moment

# A permit takes no evidence older than 60 s. This leaves a round 15 s for its own looks, and when there are more
# errands than hands, the ones that are late are dropped rather than run with evidence that is no use.
LIFETIME: Final = timedelta(seconds=45)
LARGEST: Final = 64 * 1024  # bytes of a storage queue's message, encoded as Base64
_LEFT: Final = "the function app's log has the traceback. Step by step: docs/runbooks/rounds-fail.md"
_FOREIGN_RUNBOOK: Final = "step by step: docs/runbooks/foreign-key.md"
_CLOCK_RUNBOOK: Final = "step by step: docs/runbooks/wrong-clock.md"
_UNREADABLE_RUNBOOK: Final = "docs/runbooks/rows-unreadable.md"


class Errand(msgspec.Struct, frozen=True, kw_only=True):
    """One group's round, to be run by whoever takes it."""

    profile: Profile
    read_at: Annotated[datetime, msgspec.Meta(tz=True)]  # when Traffic Manager was asked
    headers: bool = False  # the profile's probes bring headers; what they say stays with Traffic Manager

    def is_late(self, now: datetime) -> bool:
        """Return whether it is of no use any more; also when it was sent in the future, by a clock that is wrong."""
        return age(self.read_at, now) > LIFETIME


class Failed(msgspec.Struct, frozen=True):
    """An errand that was tried as often as the platform tries, and set aside. `receipt` names it to the queue."""

    receipt: str
    text: str


class Errands(Protocol):
    """The queue between the timer and `reconcile_group`. Every method may raise Unavailable, Throttled or Denied."""

    async def send(self, text: str, *, lives: timedelta) -> None:
        """Hand one errand out; nobody gets it after its time."""
        ...

    async def failed(self) -> tuple[Failed, ...]:
        """Errands that were set aside, a few at a time; each is kept from others for a minute."""
        ...

    async def forget(self, failed: Failed) -> None:
        """Remove one that was set aside; nothing happens when it is gone."""
        ...


def written(errand: Errand) -> str | None:
    """The errand's text, or None when it is too large for a message."""
    text = msgspec.json.encode(_without_headers(errand))
    return text.decode() if len(base64.b64encode(text)) <= LARGEST else None


def _without_headers(errand: Errand) -> Errand:
    """Without what may be a key to an app: whoever takes the errand asks Traffic Manager for it."""
    profile = errand.profile
    if not (profile.monitor.headers or any(endpoint.headers for endpoint in profile.endpoints)):
        return errand
    bare = msgspec.structs.replace(
        profile,
        monitor=msgspec.structs.replace(profile.monitor, headers=()),
        endpoints=tuple(msgspec.structs.replace(endpoint, headers=()) for endpoint in profile.endpoints),
    )
    return msgspec.structs.replace(errand, profile=bare, headers=True)


def parse(text: str) -> Errand:
    """The errand in a message.

    Raises:
        BadEvent: it is none, or one of another version.
    """
    if len(text) > LARGEST:
        raise BadEvent(f"a message of {len(text)} characters is no errand")
    try:
        return msgspec.json.decode(text, type=Errand)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise BadEvent(f"the message is no errand: {error}") from error


def is_ours(errand: Errand, scope: Scope) -> bool:
    """Return whether the group is one that this configuration watches: a message is not taken at its word."""
    inside = set(errand.profile.id.lower().split("/")[2:3])
    return bool(inside & set(scope.all_subscriptions)) and bool(chosen((errand.profile,), scope))


def shuffled(profiles: Iterable[Profile], now: datetime) -> tuple[Profile, ...]:
    """In another order each minute, so that where time is short it is not always short for the same groups."""
    minute = f"{now:%Y%m%d%H%M}"
    return tuple(
        sorted(profiles, key=lambda it: hashlib.sha256(f"{minute} {it.id.lower()}".encode()).digest())
    )


def failing(group_id: str, name: str, now: datetime, unreadable: str = "") -> Message:
    """Return the notification of a group whose rounds end in an unexpected error: once a day for each group.

    `unreadable`: why a row of it cannot be read, when it is that.
    """
    why = unreadable or "its rounds end in an error that Counterpart does not understand."
    left = f"bring the newer version back. Step by step: {_UNREADABLE_RUNBOOK}" if unreadable else _LEFT
    return _once_a_day(
        f"{'rows-unreadable' if unreadable else 'rounds-fail'}.{row_name(group_id)}",
        now,
        kind="rounds.failing",
        subject=group_id,
        title=f"{name}: Counterpart cannot look after this group",
        shown=(("Group", name), ("Seen", moment(now))),
        lines=(
            f"What it means: {why}",
            "Until that is mended its settings are not kept in step, and a failure of its regions may go untold.",
            "Counterpart goes on trying every minute. Other groups are not touched by it.",
            f"Left to you: {left}",
        ),
        facts={"group": name, "group_id": group_id},
    )


def wrong_clock(now: datetime, why: str) -> Message:
    """Return what people are told when this machine's clock is wrong: once a day."""
    return _once_a_day(
        "wrong-clock",
        now,
        kind="clock.wrong",
        subject="clock",
        title="Counterpart's clock is wrong: it does nothing",
        shown=(("By its clock", moment(now)),),
        lines=(
            f"What it means: {why}.",
            "Nothing is written, nothing is disturbed, and no incident is opened, until the clock is right.",
            "Counterpart compares the clock with each answer, and goes on by itself.",
            f"Left to you: {_CLOCK_RUNBOOK}",
        ),
        facts={"why": why},
    )


def foreign_key(now: datetime, why: str) -> Message:
    """Return the notification that the fingerprint key is not the store's: once a day, for all groups together."""
    return _once_a_day(
        "foreign-key",
        now,
        kind="key.foreign",
        subject="fingerprint-key",
        title="Settings and packages are held: this is not the key of this store",
        shown=(("Seen", moment(now)),),
        lines=(
            f"What it means: {why}.",
            "Baselines, decisions and holds stay as they are. Regions are watched, incidents and drills go on.",
            "Counterpart goes on trying every minute.",
            f"Left to you: {_FOREIGN_RUNBOOK}",
        ),
        facts={},
    )


def _once_a_day(
    name: str,
    now: datetime,
    *,
    kind: str,
    subject: str,
    title: str,
    shown: tuple[tuple[str, str], ...],
    lines: tuple[str, ...],
    facts: Mapping[str, str],
) -> Message:
    """A message that is the same one all day; `shown` are the card's facts, `facts` those for programs."""
    card = Card(title=title, tone=Tone.ATTENTION, facts=shown, lines=lines)
    id_ = f"{name}.{now:%Y%m%d}"
    return Message(id=id_, kind=kind, subject=subject, at=now, card=card, facts=facts, severity=2)
