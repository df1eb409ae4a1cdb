"""Every effect of every story, with the process dead before it and after it: the laws hold, and all ends alike.

An effect is one call of a port that changes something: a row, a site, an endpoint, the vault, a message. Stories have
no other faults. `python -m proof crashes` plays them all and prints how many effects each has; the sites in the code
from which effects were reached are compared with those that the code has (`reached`, `written_down`).
"""

import ast
import dataclasses
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from difflib import ndiff
from functools import partial
from itertools import chain, zip_longest
from pathlib import Path
from types import FrameType
from typing import Any, Final

import msgspec

from proof.cast import another_key, owned
from proof.play import DAY, URLS, Play, settings_of
from proof.ports import Line
from proof.weather import HOUR, Error, Fate
from proof.world import BAD, MISSING, PACKAGE, SECRET, SPARE, Host, moment, reference, seconds
from shared.cards import Card
from shared.drills.schedule import schedules
from shared.incidents.hold import HoldRules
from shared.incidents.model import Incident, Ledger
from shared.incidents.transitions import incidents
from shared.outbox import GIVE_UP_AFTER, KEPT, KEPT_FAILED, Letter, letter_key
from shared.settings import Settings

SHARED: Final = Path(__file__).resolve().parent.parent / "shared"
MINUTE: Final = 60.0
SEEN: Final = 2 * MINUTE  # after so long in good health a region was seen well

type Site = tuple[str, str]  # a file of shared/ and a function in it


@dataclasses.dataclass
class Effects:
    """Counts the effects of a run from a time on, and kills the process before or after one of them."""

    kill: int = 0
    late: bool = False
    names: list[str] = dataclasses.field(default_factory=list)
    reached: set[Site] = dataclasses.field(default_factory=set)
    drilling: bool = False  # a drill was under way when it was killed
    unmarked: int = 0  # the so-manieth letter was sent then, and not yet marked
    refused: int = 0  # letters that a lost channel did not take

    def met(self, line: Line, name: str) -> None:
        """A process is about to do something."""
        self.names.append(name)
        self.reached.add(_site())
        self.refused += name == "channel.send" and line.world.deaf
        if len(self.names) == self.kill:
            line.process.fuse, line.process.burns_late = 0, self.late
            self.drilling = any(
                msgspec.json.decode(body).get("drill")
                for key, (body, _) in line.world.rows.items()
                if key.startswith("drill-slots/")
            )
            told = [name for name in (self.names if self.late else self.names[:-1]) if name in _TELLING]
            sent = told[-1:] == ["channel.send"] and not line.world.deaf
            self.unmarked = told.count("channel.send") - self.refused if sent else 0


_TELLING: Final = {"channel.send", "store.put outbox"}


def _site() -> Site:
    frame: FrameType | None = sys._getframe()  # noqa: SLF001 -- who asks is what is wanted
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(SHARED):
            site = str(path.relative_to(SHARED)), frame.f_code.co_name
            if site[0] != "store.py" and site not in _HANDED_ON:
                return site
        frame = frame.f_back
    return "", ""


# Who hands on what somebody else asks for.
_HANDED_ON: Final = {
    ("reconcile/workflow.py", "put"),
    ("reconcile/workflow.py", "delete"),
    ("outbox.py", "_quietly"),
    ("copies.py", "keep"),
    ("copies.py", "forget"),
}


@dataclasses.dataclass(frozen=True)
class Story:
    """What happens, from a quiet beginning, and for how long it is watched."""

    name: str
    happens: Callable[[Play], None]
    minutes: float = 40.0
    regions: tuple[str, ...] = ("east", "west")
    settings: Callable[[Settings], Settings] = lambda it: it
    rests: bool = True  # in the end nobody has anything left to do

    def play(self, effects: Effects, *, skip: bool = True) -> Play:
        """Play it once."""
        play = Play(
            f"crashes/{self.name}",
            seconds=self.minutes * MINUTE,
            skip=skip,
            settings=self.settings(settings_of(hold=False, revert=False)),
            regions=self.regions,
            faults=False,
        )
        play.cast.on_effect = effects.met
        play.world.boots = (5, 1)  # over before a look could see it: what was seen must not differ
        play.loop.call_at(150.0, self.happens, play)
        play.run()
        if self.rests and not play.observer.breaches:
            play.observer.at_rest(apart=play.cast.apart)
        return play


def outcome(play: Play) -> dict[str, Any]:
    """Return where everything is in the end, times and texts left out."""
    world = play.world
    kinds = ("settings-sync", "packages", "failback-holds", "permit", "drill-slots")
    rows = {kind: play.cast.row(kind) or {} for kind in kinds}
    return {
        "settings": {name: {**site.settings, PACKAGE: ""} for name, site in world.sites.items()},
        "hosts": sorted(
            site.app[PACKAGE] for site in world.sites.values()
        ),  # which region has which is all one
        "endpoints": {name: (site.enabled, site.status, site.well) for name, site in world.sites.items()},
        "vault": dict(world.vault),
        "told": Counter(_told(play)),
        "incidents": sorted(_incidents(play)),
        "settings-sync": (rows["settings-sync"].get("state"), rows["settings-sync"].get("baseline")),
        "packages": (rows["packages"].get("state"), rows["packages"].get("order")),
        "hold": rows["failback-holds"].get("hold"),
        "drill": rows["drill-slots"].get("drill"),
        "drills": sorted((row["drill"]["region"], row["drill"]["state"]) for row in _rows(play, "drills")),
        "permit": _in_force(rows["permit"].get("permit"), play),
        "noted": any(
            UNTOLD in line["text"] for row in _rows(play, "incidents") for line in row["incident"]["timeline"]
        ),
        "waiting": sum(row["sent_at"] is None for row in _rows(play, "outbox")),
    }


UNTOLD: Final = "could not be told"  # what a timeline says of a letter that was given up


def _rows(play: Play, kind: str) -> list[dict[str, Any]]:
    return [
        msgspec.json.decode(body) for key, (body, _) in play.world.rows.items() if key.startswith(f"{kind}/")
    ]


def _told(play: Play) -> list[object]:
    """What people were told, by its kind and what it is about: numbers of incidents are not the same each time."""
    return [about for _, kind, _, about in play.observer.effects if kind == "tell"]


def _incidents(play: Play) -> Iterator[tuple[str, str, bool]]:
    """Of what there were incidents, and whether they are over: those in the archive, and those that are not yet.

    One failed look is written down and not told. What came at another time may have looked just when a region was
    starting anew, so of incidents that are over only those count that people were told of.
    """
    told = {str(name).rpartition(".")[0] for _, kind, name, _ in play.observer.effects if kind == "tell"}
    archived = [msgspec.convert(row["incident"], Incident) for row in _rows(play, "incidents")]
    rules = play.cast.settings.incidents
    kept = [incidents(msgspec.convert(row, Ledger), rules) for row in _rows(play, "incident-ledgers")]
    for incident in (*archived, *chain(*kept)):
        if incident.open or told & {incident.id, *incident.aliases}:
            yield incident.topic, incident.region, not incident.open


def _in_force(permit: dict[str, Any] | None, play: Play) -> dict[str, Any] | None:
    """The permit that stands.

    One whose time is over is nobody's: who died with it need not give it back. One that was given back with its
    region ill stands, for others, until the region was seen well; that it was lies in the row of the looks alone.
    """
    if permit is None or datetime.fromisoformat(permit["until"]) <= moment(play.loop.time()):
        return None
    site = play.world.sites[permit["region"]]
    seen_well = site.well and play.loop.time() - site.since > SEEN
    return None if permit["disturbed_at"] is not None and seen_well else permit


@dataclasses.dataclass(frozen=True)
class Failure:
    """A death that changed how a story ends."""

    story: str
    number: int
    effect: str
    late: bool
    why: str

    def __str__(self) -> str:
        when = "after" if self.late else "before"
        return f"{self.story}: killed {when} effect {self.number}, {self.effect}: {self.why}"


def deaths(story: Story, *, share: int = 1) -> Iterator[Failure | Effects]:
    """Die before and after every effect (of `share` parts, one); the story without a death comes first."""
    calm = Effects()
    told = story.play(calm)
    yield calm
    if told.observer.breaches:
        yield Failure(story.name, 0, "none", late=False, why=told.observer.breaches[0].text)
        return
    expected = outcome(told)
    for number in range(1, len(calm.names) + 1):
        if number % share:
            continue
        for late in (False, True):
            death = Effects(kill=number, late=late)
            play = story.play(death)
            fail = partial(Failure, story.name, number, calm.names[number - 1], late)
            found = pardoned(outcome(play), expected, death, play)
            if play.observer.breaches:
                yield fail(play.observer.breaches[0].text)
            elif found != expected:
                yield fail(
                    "; ".join(
                        f"{name}: {found[name]}, not {expected[name]}"
                        for name in found
                        if found[name] != expected[name]
                    )
                )


def pardoned(found: dict[str, Any], expected: dict[str, Any], death: Effects, play: Play) -> dict[str, Any]:
    """Return what was found after a death, without the differences that a death may make. Nothing else may differ."""
    found = dict(found)
    if death.unmarked:
        # Sending is at least once: that a letter was sent is known to nobody when who sent it died before marking it.
        # The mark may also have been on its way then, beside the effect that was the last one.
        twice = _told(play)[death.unmarked - 1]
        found["told"] = found["told"] - Counter(
            [twice] if found["told"][twice] > expected["told"][twice] else ()
        )
    if death.drilling:
        # Whoever goes on after a dead one gives the region back at once, and the drill says that it was interrupted.
        found["drills"] = [
            its if item == (its[0], "interrupted") else item
            for item, its in zip_longest(found["drills"], expected["drills"], fillvalue=("", ""))
        ]
    return found


def skipping(story: Story) -> list[str]:
    """What comes otherwise when every minute of a story is played and none is skipped: of effects, rows, the end."""
    ends = [story.play(Effects(), skip=number) for number in (True, False)]
    skipped, played = ([*map(repr, end.observer.effects), *_ends(end)] for end in ends)
    return [line for line in ndiff(played, skipped) if line.startswith(("- ", "+ "))]


def _ends(play: Play) -> list[str]:
    rows = {key: body.decode() for key, (body, _) in play.world.rows.items()}
    return [f"{name}: {item}" for name, item in {**outcome(play), **dict(sorted(rows.items()))}.items()]


@dataclasses.dataclass(frozen=True)
class Told:
    """What dying in one story showed."""

    story: str
    effects: int
    died: int  # at so many of them, before and after
    reached: set[Site]
    failures: list[str]
    took: float  # seconds of the processor


def died(asked: tuple[int, int]) -> Told:
    """Die in a story, given by its number, at one effect of so many (`share`)."""
    number, share = asked
    began = time.process_time()
    calm, *failures = deaths(STORIES[number], share=share)
    assert isinstance(calm, Effects)  # noqa: S101 -- the first one is the story without a death
    count = len(calm.names)
    return Told(
        story=STORIES[number].name,
        effects=count,
        died=count // share,
        reached=calm.reached,
        failures=[str(failure) for failure in failures],
        took=time.process_time() - began,
    )


# -- the stories --------------------------------------------------------------------------------------------------


def _value(text: object) -> str:
    return f"{SECRET}-{text}"


def _edit(play: Play, region: str, **changes: object) -> None:
    play.world.edit(region, {f"AppConfig:{name}": item for name, item in changes.items()})


def _travels(play: Play) -> None:
    play.world.edit(
        "west",
        {"AppConfig:K01": _value(1), "AppConfig:K02": None, "connectionStrings/db": (_value(2), "Custom")},
    )


def _two_sets(play: Play) -> None:
    _edit(play, "west", K01=_value(1))
    _edit(play, "north", K02=_value(2))


def _put_back(play: Play) -> None:
    _edit(play, "west", K01=_value(1), K02=_value(2) + BAD + "@east")


def _bad(play: Play) -> None:
    _edit(play, "west", K01=_value(1) + BAD)


def _references(play: Play) -> None:
    """A secret that its region lacks, then one that the other lacks, then a sound one; the app misses none yet."""
    for minutes, where in ((0.0, f"{MISSING}@west"), (8.0, f"{MISSING}@east"), (26.0, "")):
        text = reference(_value(f"{minutes:.0f}{SPARE}"), where)
        play.loop.call_later(minutes * MINUTE + 1, partial(_edit, play, "west", K01=text))


def _decided(body: dict[str, Any]) -> Callable[[Play], None]:
    """People change one key in both regions; later one of them decides."""

    def happens(play: Play) -> None:
        _conflict(play)
        for minutes in (5.2, 7.2, 9.2):
            play.loop.call_later(minutes * MINUTE, _ask, play, body)

    return happens


def _conflict(play: Play) -> None:
    _edit(play, "west", K01=_value(1))
    _edit(play, "east", K01=_value(2))


def _ask(play: Play, body: dict[str, Any]) -> None:
    """A person decides what is held, if it still is."""
    row = play.cast.row("settings-sync") or {}
    if row.get("state") == "held":
        keys = [item["key"] for item in row["plan"]["decisions"]]
        said = {"group": "scepman", "fingerprint": row["plan"]["fingerprint"], "by": "ada", "reason": "x"}
        play.cast.ask(said | body, keys)


def _deaf(play: Play) -> None:
    """What is held is told to nobody for more than a day; a person decides when the channel is there again.

    Meanwhile the fortnight ends for which the row of a letter stays that was given up before.
    """
    play.world.deaf_until = play.loop.time() + 26 * HOUR
    at = moment(20 * HOUR) - KEPT_FAILED
    old = Letter(
        id="scepman-0.opened", channel="teams", kind="incident.opened", subject="scepman-0", at=at,
        card=Card(title="long ago", lines=("as it was",)), facts=msgspec.Raw(b"{}"), posted_at=at, next_at=at,
        given_up_at=at + GIVE_UP_AFTER, problem="nobody there",
    )  # fmt: skip
    play.world.rows[letter_key(old.channel, old.id)] = (msgspec.json.encode(old), 0)
    _conflict(play)
    for minutes in (5.2, 7.2, 9.2):
        later = play.world.deaf_until + minutes * MINUTE
        play.happen.at(later, partial(_ask, play, {"decision": "take", "region": "west"}))


def _host(play: Play, minutes: float = 40.0) -> None:
    play.world.host(URLS[0], up=False)
    play.loop.call_later(minutes * MINUTE, partial(play.world.host, URLS[0], up=True))


def _known_host(play: Play) -> None:
    """The same when every host has been checked for long enough to be known as up, also by who died at first."""
    play.loop.call_later(8 * MINUTE, _host, play)


def _no_host(play: Play) -> None:
    """Both hosts are lost, the second one when the first one's region is being moved to it."""
    play.loop.call_later(8 * MINUTE, _host, play, 55.0)
    play.loop.call_later(12 * MINUTE, partial(play.world.host, URLS[1], up=False))
    play.loop.call_later(50 * MINUTE, partial(play.world.host, URLS[1], up=True))


def _unfit(play: Play) -> None:
    """The other host's package is one with which east does not come up."""
    play.world.unfit.add(("east", URLS[1]))
    _host(play, 18.0)


OTHERWISE: Final = URLS[0].replace("https://", "HTTPS://")  # the same address, in other capitals
OWN: Final = "https://packages.example.test/own.zip"


def _kept_url(play: Play) -> None:
    """The address that a region had is not the catalogue's to the letter, so undoing needs a copy of it."""
    play.world.hosts[OTHERWISE] = play.world.hosts[URLS[0]]
    play.world.edit("east", {PACKAGE: OTHERWISE})
    play.loop.call_later(8 * MINUTE, _unfit, play)


def _url_between(play: Play) -> None:
    """A person sends a region elsewhere when its rotation is about to be made, and a copy lies in the vault."""
    play.world.hosts[OTHERWISE] = play.world.hosts[URLS[0]]
    play.world.edit("east", {PACKAGE: OTHERWISE})
    play.loop.call_later(8 * MINUTE, _host, play, 30.0)

    def send(_: str) -> None:
        play.world.edit("east", {PACKAGE: URLS[1]})

    play.cast.arm("after", "vault.keep", 1, send, until=DAY)


def _own_url(play: Play) -> None:
    """A region runs from an address that only its settings know, which cannot be read at times."""
    play.world.hosts[OWN] = Host()
    play.world.edit("east", {PACKAGE: OWN})
    fails = Fate(Error.UNAVAILABLE, effect=False)
    for minutes in (6, 12):
        until = play.loop.time() + (minutes + 2) * MINUTE
        play.loop.call_later(
            minutes * MINUTE, partial(play.weather.spell, "arm.get_settings", fails, until=until)
        )
    play.loop.call_later(60 * MINUTE, partial(play.world.edit, "east", {PACKAGE: URLS[0]}))


def _channel(play: Play) -> None:
    """Both regions are sent to another channel, so that the old one's hosts are not wanted any more."""
    for region, url in zip(("east", "west"), URLS, strict=True):
        beta = url.replace("Artifacts.zip", "Artifacts-Beta.zip")
        play.world.hosts[beta] = Host()
        play.world.edit(region, {PACKAGE: beta})


def _no_refuge(play: Play) -> None:
    """A region should be moved to another host while the other region is ill: it waits."""
    play.world.host(URLS[0], up=False)
    play.loop.call_later(60 * MINUTE, partial(play.world.host, URLS[0], up=True))
    play.loop.call_later(2 * MINUTE, _lost, play, 8.0)


def _between(play: Play) -> None:
    """A person edits the source when the write is about to be made."""
    play.cast.arm("after", "vault.keep", 1, lambda _: _edit(play, "west", K01=_value(7)), until=DAY)
    _edit(play, "west", K01=_value(1), K02=_value(2))


def _slow(play: Play) -> None:
    """The vault answers late while a write is made ready: its claim may be over."""
    play.weather.spell("vault.keep", Fate(effect=True, seconds=45.0), until=DAY, left=1)
    _edit(play, "west", K01=_value(1))


def _deleted(play: Play) -> None:
    """A site is deleted; its endpoint is not."""
    play.world.gone.add("north")
    _edit(play, "west", K01=_value(1))


def _on_duty(play: Play) -> None:
    """One of two deployments; for a while Resource Manager answers it nothing."""
    _edit(play, "west", K01=_value(1))
    fails = Fate(Error.UNAVAILABLE, effect=False)
    until = play.loop.time() + 260.0
    play.loop.call_later(60.0, partial(play.weather.spell, "arm.get_settings", fails, until=until))


def _restart(play: Play) -> None:
    play.cast.order_restart()
    for minutes in (2.2, 4.2):  # a person who saw no answer asks again
        play.loop.call_later(minutes * MINUTE, partial(_again, play))


def _again(play: Play) -> None:
    row = play.cast.row("packages") or {}
    if row.get("order") is None and row.get("outcome") is None:
        play.cast.order_restart()


def _lost(play: Play, minutes: float = 6.0) -> None:
    site = play.world.sites["west"]
    play.world.ill(site, "region")
    play.loop.call_later(minutes * MINUTE, play.world.heal, site, "region")


def _lost_again(play: Play) -> None:
    """It is lost again when what people were told the first time is kept no longer."""
    _lost(play)
    play.happen.at(KEPT.total_seconds(), partial(_lost, play))


def _released(play: Play) -> None:
    _lost(play)
    for minutes in (8.2, 9.2, 10.2):
        play.loop.call_later(minutes * MINUTE, partial(_let_go, play))


def _let_go(play: Play) -> None:
    if (play.cast.row("failback-holds") or {}).get("hold"):
        play.cast.release()


def _copy_lost(play: Play) -> None:
    _put_back(play)
    play.loop.call_later(8 * MINUTE, play.world.vault.clear)


def _new_key(play: Play) -> None:
    """The fingerprint key is rotated in the middle of a write."""
    _put_back(play)

    def rotate() -> None:
        rotated = msgspec.structs.replace(another_key(play.settings), previous=play.settings.secret)
        play.cast.settings = rotated

    play.loop.call_later(5 * MINUTE, rotate)


def _from_later(play: Play) -> None:
    """Somebody whose clock is ten minutes ahead looks, and nothing keeps it from the store; then a region changes."""

    def look() -> None:
        key = next(row for row in play.world.rows if row.startswith("watched/"))
        body, _ = play.world.rows[key]
        play.world.writes += 1
        play.world.rows[key] = _TIME.sub(_ten_minutes_later, body), play.world.writes
        _edit(play, "west", K01=_value(1))

    play.loop.call_later(3.2 * MINUTE, look)


_TIME: Final = re.compile(rb'"(20\d\d-[^"]+)"')


def _ten_minutes_later(found: re.Match[bytes]) -> bytes:
    return b'"%s"' % moment(seconds(found[1].decode()) + 10 * MINUTE).isoformat().encode()


def _foreign_key(play: Play) -> None:
    """For some minutes in the middle of a write the app has a key that is not the store's."""
    _travels(play)
    own, held = play.settings, dict[str, bytes]()

    def swap() -> None:
        play.observer.rekeyed()
        play.cast.settings = another_key(own)

    def look() -> None:  # who began with the right key has ended
        held.update(owned(play.world.rows))

    def give_back() -> None:
        same = owned(play.world.rows) == held
        play.observer.check(3, same, lambda: "an app with another key changed what is remembered")
        told = any("foreign-key" in name for name in play.world.rows)
        play.observer.check(5, told, lambda: "nobody was told that the app has another key")
        play.cast.settings = own

    for minutes, act in ((2.2, swap), (4.4, look), (7.2, give_back)):
        play.loop.call_later(minutes * MINUTE, act)


def _lost_key(play: Play) -> None:
    """In the middle of a write the app gets another key for good; a person begins anew, and takes a side."""
    _travels(play)

    def swap() -> None:
        _edit(play, "west", K05=_value(5))  # so that something is to be decided whenever the write ended
        play.observer.rekeyed()
        play.cast.settings = another_key(play.settings)

    play.loop.call_later(2.2 * MINUTE, swap)
    for minutes in (6.3, 8.3, 10.3):
        play.loop.call_later(minutes * MINUTE, play.cast.begin_anew)
    for minutes in (12.3, 14.3, 16.3):
        play.loop.call_later(minutes * MINUTE, _ask, play, {"decision": "take", "region": "west"})


def _drill(play: Play, *, abort: float = 0.0) -> None:
    for minutes in (0.0, 2.2, 4.2):  # a person who saw no answer asks again, under the same key
        play.loop.call_later(minutes * MINUTE + 1, partial(_ask_for_drill, play))
    if abort:
        for minutes in (abort, abort + 1.0):
            play.loop.call_later(minutes * MINUTE, play.cast.abort_drill)


def _ask_for_drill(play: Play) -> None:
    if not any(row.startswith(("drills/", "drill-slots/")) for row in play.world.rows):
        play.cast.order_drill("west", key="one")


def _slow_drain(play: Play) -> None:
    """What takes the endpoint out comes through, and is not answered."""
    heard_late = Fate(Error.TIMEOUT, effect=True, seconds=59.0)
    play.weather.spell("arm.disable", heard_late, until=DAY, left=1)
    _drill(play)


def _late_drain(play: Play) -> None:
    """What takes the endpoint out is answered after most of a minute."""
    play.weather.spell("arm.disable", Fate(effect=True, seconds=58.0), until=DAY, left=1)
    _drill(play)


def _practice(play: Play) -> None:
    """A practice run is due while a region is ill."""
    _lost(play, 12.0)


def _practising(settings: Settings) -> Settings:
    lines = schedules("*=8 0 * * *")
    calendar = msgspec.structs.replace(settings.drill_calendar, schedules=lines)
    return msgspec.structs.replace(_quick(settings), drill_calendar=calendar)


def _quick(settings: Settings) -> Settings:
    """Less patience, so that a story is short."""
    return msgspec.structs.replace(
        settings,
        rules=msgspec.structs.replace(settings.rules, soak=60.0, soak_deadline=300.0),
        package_rules=msgspec.structs.replace(settings.package_rules, soak=60.0, check_every=60.0),
        incidents=msgspec.structs.replace(settings.incidents, flap=120.0, keep=240.0),
    )


def _deployed_twice(settings: Settings) -> Settings:
    return msgspec.structs.replace(_quick(settings), instance="one")


def _holding(settings: Settings) -> Settings:
    return msgspec.structs.replace(_quick(settings), hold=HoldRules(on=True, soak=120.0))


def _reverting(settings: Settings) -> Settings:
    quick = _quick(settings)
    return msgspec.structs.replace(quick, rules=msgspec.structs.replace(quick.rules, revert_bad_changes=True))


def _forgetful(settings: Settings) -> Settings:
    quick = _quick(settings)
    return msgspec.structs.replace(
        quick,
        incidents=msgspec.structs.replace(quick.incidents, retention=3600.0),
        drills=msgspec.structs.replace(quick.drills, retention=3600.0),
    )


def _seldom(settings: Settings) -> Settings:
    """All that is not the story's own is looked at once a day, so that a long one is short in effects."""
    quick = _quick(settings)
    return msgspec.structs.replace(
        quick,
        rules=msgspec.structs.replace(quick.rules, sweep=DAY),
        package_rules=msgspec.structs.replace(settings.package_rules, soak=60.0, sweep=DAY),
    )


STORIES: Final = (
    Story("a change travels", _travels, 20, settings=_quick),
    Story("two sets among three regions", _two_sets, 30, regions=("east", "north", "west"), settings=_quick),
    Story("a peer is put back", _put_back, 30, settings=_quick, rests=False),  # it waits for a person
    Story("a reference does not resolve", _references, 45, settings=_quick),
    Story("a bad change is reverted by policy", _bad, 35, settings=_reverting),
    Story("a side is taken", _decided({"decision": "take", "region": "west"}), 40, settings=_quick),
    Story("left different", _decided({"decision": "reject"}), 40, settings=_quick),
    Story(
        "the copy of old values is gone", _copy_lost, 30, settings=_quick, rests=False
    ),  # it waits for a person
    Story(
        "the fingerprint key is rotated in flight", _new_key, 35, settings=_quick, rests=False
    ),  # it waits for a person
    Story("a look from later than now", _from_later, 25, settings=_quick),
    Story("an app with another key", _foreign_key, 30, settings=_quick),
    Story("a key is lost", _lost_key, 40, settings=_quick),
    Story("a host is lost", _known_host, 108, settings=_quick),
    Story("both hosts are lost", _no_host, 130, settings=_quick),
    Story("a rotation is undone", _unfit, 60, settings=_quick),
    Story("an address in other capitals", _kept_url, 70, settings=_quick),
    Story("an address changed in between", _url_between, 130, settings=_quick),
    Story("an address of one's own", _own_url, 75, settings=_quick),
    Story("a channel is left", _channel, 2.5 * DAY / MINUTE, settings=_quick),
    Story("a rotation waits for a refuge", _no_refuge, 90, settings=_quick),
    Story("an edit in between", _between, 25, settings=_quick),
    Story("a claim that runs out", _slow, 25, settings=_quick),
    Story(
        "a site is deleted", _deleted, 20, regions=("east", "north", "west"), settings=_quick, rests=False
    ),  # which differs from then on
    Story("one of two deployments", _on_duty, 25, settings=_deployed_twice),
    Story("all regions are restarted", _restart, 20, settings=_quick),
    Story("a region is lost", _lost, 40, settings=_quick),
    Story("a region is lost and held", _lost, 50, settings=_holding),
    Story("a held region is released", _released, 50, settings=_holding),
    Story("a drill", _drill, 25, settings=_quick),
    Story("a drill is ended early", partial(_drill, abort=1.5), 25, settings=_quick),
    Story("a drain that is not answered", _slow_drain, 30, settings=_quick),
    Story("a drain that is answered late", _late_drain, 30, settings=_quick),
    Story("a practice run is passed over", _practice, 30, settings=_practising),
    Story("a drill, and three days", _drill, 3 * DAY / MINUTE, settings=_forgetful),
    # A night more: what the one at it did not come to delete is deleted in the next.
    Story("three days later", _lost_again, 4 * DAY / MINUTE, settings=_forgetful),
    Story("a channel is lost for more than a day", _deaf, 27.5 * HOUR / MINUTE, settings=_seldom),
)


_OF_THE_TIMER: Final = (
    "tests/handlers/test_overdue_timer.py::test_killed_while_it_is_written_down_the_turn_is_taken_later"
)

# Reached by no story: a fleet, two instances at one drill, and the timer's own row. The tests that die there.
ELSEWHERE: Final[dict[Site, str]] = {
    ("drills/workflow.py", "_drained"): (
        "tests/drills/test_workflow.py::test_killed_before_it_enables_what_another_one_gave_back"
    ),
    ("pulse.py", "fired"): _OF_THE_TIMER,
    ("pulse.py", "claim"): _OF_THE_TIMER,
    ("reconcile/copies.py", "_sweep_one"): (
        "tests/settings_sync/test_workflow.py::test_killed_while_it_sweeps_the_copy_is_swept_later"
    ),
    ("reconcile/workflow.py", "_hand_out"): (
        "tests/handlers/test_reconcile_group.py::test_killed_while_it_hands_out_every_group_gets_its_round"
    ),
    ("reconcile/workflow.py", "_tell_set_aside"): (
        "tests/handlers/test_reconcile_group.py::test_killed_while_it_tells_what_was_set_aside_it_is_told_once"
    ),
}

# -- are these all? -----------------------------------------------------------------------------------------------

# What changes something, as the code calls it: methods of ports, and the few functions of store and disruption.
METHODS: Final = frozenset(
    {
        "put_app_settings",
        "put_connection_strings",
        "restart",
        "disable_endpoint",
        "enable_endpoint",
        "keep",
        "forget",
    }
)
METHODS_OF: Final = {
    "put": {"store"},
    "delete": {"store"},
    "send": {"channel", "errands"},
}  # only of these objects: others have methods of that name, too
_FUNCTIONS: Final = frozenset({"write", "revise"})
_OURS: Final = frozenset({"workflow", "self"})  # objects that are no ports


def written_down() -> set[Site]:
    """Every function of the workflows that has an effect in it, found in its text."""
    found: set[Site] = set()
    for path in sorted(SHARED.rglob("*.py")):
        if path.name in {"store.py", "ports.py", "bootstrap.py"} or "adapters" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.AsyncFunctionDef) and any(map(_is_effect, _own(node))):
                found.add((str(path.relative_to(SHARED)), node.name))
    return found - _HANDED_ON


def _own(function: ast.AsyncFunctionDef) -> Iterator[ast.Call]:
    """The calls of a function, without those of functions in it."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.Call):
            yield node
        waiting.extend(ast.iter_child_nodes(node))


def _is_effect(call: ast.Call) -> bool:
    match call.func:
        case ast.Name(id=name):
            return name in _FUNCTIONS
        case ast.Attribute(attr=name, value=ast.Name(id=of) | ast.Attribute(attr=of)):
            return of in METHODS_OF[name] if name in METHODS_OF else name in METHODS and of not in _OURS
        case _:
            return False
