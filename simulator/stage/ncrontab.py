"""Timer schedules: NCRONTAB expressions of six fields, or of five, which begin at second 0. Pure.

`second minute hour day month day-of-week`; `*`, `a`, `a-b`, `*/n`, `a/n`, `a-b/n`, lists, English month and
day names. Sunday is 0. A moment must fit day *and* day-of-week (unlike Unix cron). All times are UTC.
"""

import calendar
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

_MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_name) if name}
_DAYS = {name.lower(): (number + 1) % 7 for number, name in enumerate(calendar.day_name)}
_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("second", 0, 59, {}),
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day", 1, 31, {}),
    ("month", 1, 12, _MONTHS),
    ("day-of-week", 0, 6, _DAYS),
)
_HORIZON = 366 * 41  # 29 February on a given weekday can be 40 years away, across 2100


@dataclass(frozen=True, slots=True)
class Schedule:
    """A parsed expression: the allowed values of each field, ascending."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]

    def next_after(self, moment: datetime) -> datetime:
        """The first fitting second later than `moment`, in UTC.

        Raises:
            ValueError: no day fits, such as 30 February.
        """
        start = moment.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=1)
        earliest = start.time()
        for offset in range(_HORIZON):
            day = start.date() + timedelta(days=offset)
            fitting = self._first_time(earliest) if self._fits(day) else None
            if fitting is not None:
                return datetime.combine(day, fitting, UTC)
            earliest = time.min
        raise ValueError("this schedule never happens")

    def _fits(self, day: date) -> bool:
        return day.month in self.months and day.day in self.days and day.isoweekday() % 7 in self.weekdays

    def _first_time(self, earliest: time) -> time | None:
        """The first fitting time of a day that is not before `earliest`."""
        bound = (earliest.hour, earliest.minute, earliest.second)
        for hour in self.hours:
            if hour < earliest.hour:
                continue
            for minute in self.minutes:
                if (hour, minute) < bound[:2]:
                    continue
                for second in self.seconds:
                    if (hour, minute, second) >= bound:
                        return time(hour, minute, second)
        return None


def parse(expression: str) -> Schedule:
    """Read an expression.

    Raises:
        ValueError: says which field is wrong, or that the schedule never happens.
    """
    parts = expression.split()
    if len(parts) == len(_FIELDS) - 1:
        parts = ["0", *parts]
    if len(parts) != len(_FIELDS):
        raise ValueError(f"{expression!r} has {len(parts)} fields; NCRONTAB has 6 (or 5, without seconds)")
    schedule = Schedule(*(_field(part, *field) for part, field in zip(parts, _FIELDS, strict=True)))
    schedule.next_after(datetime(2000, 1, 1, tzinfo=UTC))
    return schedule


def _field(part: str, what: str, low: int, high: int, names: dict[str, int]) -> tuple[int, ...]:
    """The allowed values of one field."""
    try:
        values = {value for item in part.split(",") for value in _item(item, low, high, names)}
    except ValueError as wrong:
        raise ValueError(f"{part!r} is no {what}: {wrong}") from None
    return tuple(sorted(values))


def _item(item: str, low: int, high: int, names: dict[str, int]) -> range:
    """One item of a list: `*`, `a`, `a-b`, each with an optional `/step`."""
    span, slash, step_text = item.partition("/")
    step = int(step_text) if slash else 1
    first, dash, last = span.partition("-")
    if span == "*":
        begin, end = low, high
    else:
        begin = _number(first, names)
        end = _number(last, names) if dash else high if slash else begin
    if not low <= begin <= end <= high or step < 1:
        raise ValueError(f"{item!r} is not within {low}-{high}")
    return range(begin, end + 1, step)


def _number(given: str, names: dict[str, int]) -> int:
    """A number, or a name of which three letters are enough."""
    if given.isdecimal():
        return int(given)
    for name, number in names.items():
        if len(given) >= 3 and name.startswith(given.lower()):
            return number
    raise ValueError(f"{given!r} is neither a number nor a name")
