"""When practice runs are due, and when no drill may be: cron lines, windows, dates. Pure; all of it in UTC.

A cron line has five fields (minute, hour, day of the month, month, day of the week) with `*`, lists, ranges, steps
and names. As in cron, a day fits when either of the two day fields does, if both are restricted.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta

import msgspec

DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
CATCH_UP = timedelta(minutes=10)  # a time of the schedule that nobody was awake for is let go after that
REMEMBERED = timedelta(days=7)  # how far back a time that nobody was awake for is looked for
_FURTHEST = 366 * 28  # days: in so many, every date comes on every day of the week
_WINDOW = re.compile(r"([A-Z]{3})-(\d\d):(\d\d)-(\d\d):(\d\d)")
_EVERYBODY = "*"


class Cron(msgspec.Struct, frozen=True, kw_only=True):
    """A cron line, read."""

    text: str
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]  # 0 is Sunday
    either_day: bool  # both day fields are restricted

    def fits(self, at: datetime) -> bool:
        """Return whether it is due in the minute of `at`."""
        return at.minute in self.minutes and at.hour in self.hours and self._fits_day(at.date())

    def _fits_day(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        of_month, of_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return of_month or of_week if self.either_day else of_month and of_week

    def next_after(self, moment: datetime) -> datetime | None:
        """The first due minute later than `moment`; None when there is none."""
        first = moment.astimezone(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
        for offset in range(_FURTHEST):
            day = first.date() + timedelta(days=offset)
            if not self._fits_day(day):
                continue
            for hour in sorted(self.hours):
                for minute in sorted(self.minutes):
                    at = datetime.combine(day, time(hour, minute), UTC)
                    if at >= first:
                        return at
        return None

    def last_before(self, now: datetime) -> datetime | None:
        """The latest due minute, `now`'s own included, that is not too long ago to be acted on."""
        minute = now.astimezone(UTC).replace(second=0, microsecond=0)
        for back in range(CATCH_UP // timedelta(minutes=1) + 1):
            at = minute - timedelta(minutes=back)
            if self.fits(at):
                return at
        return None


def cron(text: str) -> Cron:
    """Read a cron line.

    Raises:
        ValueError: it is none, or its day never comes.
    """
    fields = text.split()
    if len(fields) != 5:  # noqa: PLR2004 -- that is what a cron line has
        raise ValueError(f"{text!r} has not five fields: minute, hour, day, month, day of the week")
    minutes, hours, days, months, weekdays = fields
    read = Cron(
        text=" ".join(fields),
        minutes=_field(minutes, 0, 59),
        hours=_field(hours, 0, 23),
        days=_field(days, 1, 31),
        months=_field(months, 1, 12, {name: number for number, name in enumerate(MONTHS, start=1)}),
        weekdays=frozenset(
            weekday % 7
            for weekday in _field(weekdays, 0, 7, {name: (n + 1) % 7 for n, name in enumerate(DAYS)})
        ),
        either_day=not days.startswith("*") and not weekdays.startswith("*"),
    )
    if read.next_after(datetime(2026, 1, 1, tzinfo=UTC)) is None:
        raise ValueError(f"{text!r} never comes")
    return read


def _field(text: str, least: int, most: int, names: Mapping[str, int] | None = None) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, slash, every = part.partition("/")
        step = _number(every) if slash else 1
        if span == "*":
            begin, end = least, most
        else:
            first, dash, last = span.partition("-")
            begin = _number(first, names)
            end = _number(last, names) if dash else most if slash else begin
        if end < begin and end == 0 and most == 7:  # noqa: PLR2004 -- FRI-SUN: Sunday is also the seventh
            end = 7
        if not (least <= begin <= end <= most) or step < 1:
            raise ValueError(f"{part!r} is not between {least} and {most}")
        found |= set(range(begin, end + 1, step))
    return frozenset(found)


def _number(text: str, names: Mapping[str, int] | None = None) -> int:
    if names and text.upper() in names:
        return names[text.upper()]
    if not re.fullmatch(r"\d{1,2}", text):
        raise ValueError(f"{text!r} is no number")
    return int(text)


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """A span of every week; one whose end is not after its beginning ends on the next day."""

    day: int  # 0 is Monday
    begin: int  # minutes of the day
    length: int  # minutes

    def __str__(self) -> str:
        end = (self.begin + self.length) % (24 * 60)
        return f"{DAYS[self.day]}-{_clock(self.begin)}-{_clock(end)}"

    def spans(self, begin: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Its occurrences around a time."""
        day = begin.astimezone(UTC).date() - timedelta(days=2)
        while day <= end.astimezone(UTC).date():
            if day.weekday() == self.day:
                at = datetime.combine(day, time(0), UTC) + timedelta(minutes=self.begin)
                yield at, at + timedelta(minutes=self.length)
            day += timedelta(days=1)


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def windows(text: str) -> tuple[Window, ...]:
    """Read `MON-20:30-21:30,WED-20:30-21:30`. Raises ValueError."""
    return tuple(_window(item) for item in _items(text))


def _window(text: str) -> Window:
    match = _WINDOW.fullmatch(text.upper())
    if match is None or match[1] not in DAYS:
        raise ValueError(f"{text!r} is no window")
    begin, end = (_minutes(match[2], match[3]), _minutes(match[4], match[5]))
    length = (end - begin) % (24 * 60) or 24 * 60
    return Window(day=DAYS.index(match[1]), begin=begin, length=length)


def _minutes(hours: str, minutes: str) -> int:
    if int(hours) > 23 or int(minutes) > 59:  # noqa: PLR2004 -- a clock
        raise ValueError(f"{hours}:{minutes} is no time of the day")
    return int(hours) * 60 + int(minutes)


class Dates(msgspec.Struct, frozen=True, kw_only=True):
    """Days on which nothing is drilled: from the first to the last, both included."""

    first: date
    last: date

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}..{self.last}"


def dates(text: str) -> tuple[Dates, ...]:
    """Read `2026-12-24,2026-12-27..2027-01-02`. Raises ValueError."""
    found = []
    for item in _items(text):
        first, dots, last = item.partition("..")
        begin = date.fromisoformat(first)
        end = date.fromisoformat(last) if dots else begin
        if end < begin:
            raise ValueError(f"{item!r} ends before it begins")
        found.append(Dates(first=begin, last=end))
    return tuple(found)


def _items(text: str) -> list[str]:
    return [part for part in re.split(r"[,\s]+", text) if part]


class Calendar(msgspec.Struct, frozen=True, kw_only=True):
    """When drills may be, and when practice runs are due."""

    schedules: tuple[tuple[str, Cron], ...] = ()  # group or `*`, and its line
    allowed: tuple[Window, ...] = ()  # none: always
    blocked: tuple[Window, ...] = ()
    blocked_dates: tuple[Dates, ...] = ()
    every: float = 7 * 86_400.0  # seconds between two practice runs of a group, at least

    def lines(self, group: str) -> tuple[Cron, ...]:
        """A group's schedule: its own lines, or else everybody's."""
        own = tuple(line for name, line in self.schedules if name.lower() == group.lower())
        return own or tuple(line for name, line in self.schedules if name == _EVERYBODY)


def schedules(text: str) -> tuple[tuple[str, Cron], ...]:
    """Read `scepman=30 20 * * MON; *=0 4 1 * *`. Raises ValueError."""
    found = []
    for item in (part.strip() for part in text.split(";")):
        if not item:
            continue
        group, equals, line = item.partition("=")
        if not equals or not group.strip():
            raise ValueError(f"{item!r} does not name its group")
        found.append((group.strip(), cron(line)))
    return tuple(found)


def why_not(calendar: Calendar, begin: datetime, end: datetime) -> tuple[str, str]:
    """Return why the span may not be drilled in: by what is blocked, and by what is allowed. Empty: it may."""
    return _blocked(calendar, begin, end), _outside(calendar.allowed, begin, end)


def _blocked(calendar: Calendar, begin: datetime, end: datetime) -> str:
    days = {begin.astimezone(UTC).date(), end.astimezone(UTC).date()}
    for blocked_date in calendar.blocked_dates:
        if any(blocked_date.first <= day <= blocked_date.last for day in days):
            return f"{blocked_date} is blocked"
    for window in calendar.blocked:
        if any(first < end and begin < last for first, last in window.spans(begin, end)):
            return f"{window} UTC is blocked"
    return ""


def _outside(allowed: Iterable[Window], begin: datetime, end: datetime) -> str:
    known = tuple(allowed)
    if not known or any(first <= begin and end <= last for first, last in _joined(known, begin, end)):
        return ""
    span = f"{begin.astimezone(UTC):%a %H:%M} to {end.astimezone(UTC):%H:%M} UTC"
    return f"{span} does not lie inside {', '.join(map(str, known))}"


def _joined(known: Iterable[Window], begin: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The windows' occurrences around a time; those that touch are one."""
    spans = sorted(span for window in known for span in window.spans(begin, end))
    while spans:
        first, last = spans.pop(0)
        while spans and spans[0][0] <= last:
            last = max(last, spans.pop(0)[1])
        yield first, last


class Due(msgspec.Struct, frozen=True):
    """A time of the schedule that nobody has acted on, and why it is to be passed over; empty: it is not."""

    at: datetime
    skip: str = ""


def due(
    calendar: Calendar, group: str, *, considered: datetime | None, practised: datetime | None, now: datetime
) -> Due | None:
    """The practice run that is due now, once for each time of the schedule."""
    times = [at for line in calendar.lines(group) if (at := line.last_before(now)) is not None]
    if not times or (considered is not None and max(times) <= considered):
        return None
    at = max(times)
    return Due(at, too_soon(calendar, practised, at))


def too_soon(calendar: Calendar, practised: datetime | None, at: datetime) -> str:
    """Return why a practice run would come too soon after the one before; empty: it would not."""
    if practised is None or at - practised >= timedelta(seconds=calendar.every):
        return ""
    since = f"the last practice run was due {practised:%Y-%m-%d %H:%M} UTC"
    return f"{since}, and there is at most one in {calendar.every / 86_400:g} days"


def missed(calendar: Calendar, group: str, *, considered: datetime | None, now: datetime) -> datetime | None:
    """The latest time of the schedule that is too long ago to be acted on, and that nobody acted on or passed over.

    What was before the first time that was ever considered is not known, nor what was before `REMEMBERED`.
    """
    if considered is None:
        return None
    until = now - CATCH_UP - timedelta(minutes=1)
    found = [_latest(line, max(considered, now - REMEMBERED), until) for line in calendar.lines(group)]
    return max((moment for moment in found if moment is not None), default=None)


def _latest(line: Cron, after: datetime, until: datetime) -> datetime | None:
    """The last due minute in a span."""
    found, at = None, line.next_after(after)
    while at is not None and at <= until:
        found, at = at, line.next_after(at)
    return found
