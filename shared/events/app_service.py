"""App Service's Event Grid events, in the Event Grid schema and as CloudEvents 1.0, reduced to a signal.

The event says which site to look at; it carries neither setting names nor values (facts: Event Grid, AppUpdated).
"""

import re
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from shared.errors import BadEvent

LONGEST = 1024 * 1024  # bytes; Event Grid's own limit for one event
_SITE = re.compile(
    r"/subscriptions/[^/]+/resourcegroups/[^/]+/providers/microsoft\.web/sites/[^/]+", re.IGNORECASE
)


class Kind(StrEnum):
    """The kinds of event that Counterpart reacts to."""

    SETTINGS = "settings-changed"
    RESTARTED = "restarted"
    STOPPED = "stopped"
    OTHER = "other"


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """One event: its site, its kind, its time."""

    id: str
    site_id: str
    kind: Kind
    at: datetime


class _Detail(msgspec.Struct):
    action: str | None = None


class _Data(msgspec.Struct, rename="camel"):
    app_event_type_detail: _Detail | None = None  # null in slot-swap events
    name: str | None = None  # the specification's field
    site_name: str | None = None  # the one that the documentation's examples show


class _Event(msgspec.Struct, rename="camel"):
    """Either schema: `topic`, `eventType`, `eventTime` or `source`, `type`, `time`."""

    id: str = ""
    subject: str | None = None
    topic: str | None = None
    event_type: str | None = None
    event_time: datetime | None = None
    source: str | None = None
    type: str | None = None
    time: datetime | None = None
    data: Any = None


_KINDS = {
    "changedappsettings": Kind.SETTINGS,
    "restarted": Kind.RESTARTED,
    "stopped": Kind.STOPPED,
}


def parse(text: str) -> Signal:
    """Read one event.

    Raises:
        BadEvent: it is no event, or not one about a web app.
    """
    if len(text) > LONGEST:
        raise BadEvent(f"an event of {len(text)} characters is larger than Event Grid's own limit")
    try:
        event = msgspec.json.decode(text, type=_Event)
        data = msgspec.convert(event.data, type=_Data) if isinstance(event.data, dict) else _Data()
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise BadEvent(f"this is no Event Grid event: {type(error).__name__}") from error
    what = event.event_type or event.type or ""
    if not what.lower().startswith("microsoft.web."):
        raise BadEvent(f"not an App Service event: {what[:80] or 'no type'}")
    at = event.event_time or event.time
    if at is None or at.tzinfo is None:
        raise BadEvent("the event has no time with a zone")
    return Signal(id=event.id, site_id=_site(event, data), kind=_kind(data), at=at)


def _site(event: _Event, data: _Data) -> str:
    """The site's ARM id; the name in the data, when there is one, must be that site's."""
    source = event.topic or event.source or ""
    match = _SITE.match(source)
    if match is None:
        raise BadEvent("the event does not say which site it is about")
    site_id = match.group()
    named = data.name or data.site_name
    if named and named.lower().partition("(")[0] != site_id.rpartition("/")[2].lower():
        raise BadEvent("the event names another site than its source")
    return site_id


def _kind(data: _Data) -> Kind:
    action = data.app_event_type_detail.action if data.app_event_type_detail else None
    return _KINDS.get(action.lower(), Kind.OTHER) if action else Kind.OTHER
