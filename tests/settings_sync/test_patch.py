"""Full settings to write: the target's own with the planned keys in them, and the way back."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import StalePlan, UnsafePlan
from shared.groups.model import AppSettings, ConnectionString, Json, Os, RegionSettings, Value
from shared.settings_sync.diff import side
from shared.settings_sync.fingerprint import FingerprintKey
from shared.settings_sync.model import Planned, Side
from shared.settings_sync.patch import Patch, applied, backward, copied, forward
from shared.settings_sync.policy import KeyClass, Policy
from tests.builders import a_policy, a_region, host, some_settings

SECRET = FingerprintKey("the secret of these tests")
NAMES = ("A", "B:C", "D")
APPS = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["1", "2", "3"]))
STRINGS = st.dictionaries(
    st.sampled_from(["db", "Queue"]),
    st.tuples(st.sampled_from(["1", "2"]), st.sampled_from(["SQLAzure", "Custom"])),
)

type App = Mapping[str, str]
type Strings = Mapping[str, tuple[str, str]]


class Place:
    """A region with its settings and its side."""

    def __init__(
        self,
        name: str,
        app: App,
        strings: Strings | None = None,
        *,
        os: Os = Os.WINDOWS,
        policy: Policy | None = None,
        known: tuple[str, ...] = (),
    ) -> None:
        self.policy = policy or a_policy()
        self.settings = some_settings(app, strings)
        self.side = side(a_region(name, os=os), self.settings, self.policy, SECRET, known=known)


def planned(source: Side, target: Side) -> tuple[Planned, ...]:
    """Every key on which the two differ."""
    keys = sorted(source.entries.keys() | target.entries.keys())
    return tuple(
        Planned(key, target.print_of(key), source.print_of(key))
        for key in keys
        if source.print_of(key) != target.print_of(key)
    )


def shown(settings: RegionSettings) -> tuple[dict[str, str], dict[str, tuple[str, str]]]:
    """Settings as plain texts."""
    return (
        {name: value.reveal() for name, value in settings.app.items()},
        {
            name: (connection_string.value.reveal(), connection_string.type)
            for name, connection_string in settings.connections.items()
        },
    )


def after(change: Patch, before: RegionSettings) -> RegionSettings:
    """Return what the site has once the change is written."""
    app, strings = applied(change, before)
    return RegionSettings(
        app=before.app if app is None else app,
        connections=before.connections if strings is None else strings,
    )


def travelled(source: Place, target: Place) -> RegionSettings:
    """The target with everything of the source."""
    keys = planned(source.side, target.side)
    change = forward(keys, source.side, target.side, source.settings, source.policy)
    return after(change, target.settings)


@given(APPS, STRINGS, APPS, STRINGS)
def test_writing_the_difference_makes_the_target_equal(
    app: App, strings: Strings, old_app: App, old_strings: Strings
) -> None:
    """Every key of the source, no other, deletions included; and what is equal is not written at all."""
    source, target = Place("west", app, strings), Place("east", old_app, old_strings)
    assert shown(travelled(source, target)) == (app, strings)
    assert applied(Patch({}, {}), target.settings) == (None, None)


@given(APPS, STRINGS, APPS, STRINGS)
def test_the_copy_leads_all_the_way_back(
    app: App, strings: Strings, old_app: App, old_strings: Strings
) -> None:
    """After forward and backward the target is what it was."""
    source, target = Place("west", app, strings), Place("east", old_app, old_strings)
    keys = planned(source.side, target.side)
    copy = copied(keys, source.side, target.side, target.settings)
    written = travelled(source, target)
    now = side(target.side.region, written, target.policy, SECRET)
    assert shown(after(backward(copy, keys, now), written)) == (old_app, old_strings)


@given(APPS, APPS, APPS)
def test_the_way_back_leaves_alone_what_somebody_else_changed(app: App, old: App, theirs: App) -> None:
    """Only where the target still has our value does it get the old one."""
    source, target = Place("west", app), Place("east", old)
    keys = planned(source.side, target.side)
    copy = copied(keys, source.side, target.side, target.settings)
    changed = Place("east", theirs)
    back, _ = shown(after(backward(copy, keys, changed.side), changed.settings))
    ours = {key.key for key in keys if changed.side.print_of(key.key) == key.new}
    for name in NAMES:
        assert back.get(name) == (old if name in ours else theirs).get(name)


def test_what_the_target_has_already_is_not_written_again() -> None:
    """A second try after a half-done write carries on with the rest; a deletion that was done is done."""
    source, target = Place("west", {"A": "1"}), Place("east", {"B": "2"})
    keys = planned(source.side, target.side)
    half = Place("east", {"A": "1"})
    assert forward(keys, source.side, half.side, source.settings, source.policy) == Patch({}, {})


def test_names_are_spelled_as_the_target_spells_them() -> None:
    """From Windows to Linux and back; a name that the target has already stays as it is there."""
    windows = Place("west", {"A:B": "1", "New:One": "1"})
    linux = Place("east", {"A__B": "0"}, os=Os.LINUX)
    assert shown(travelled(windows, linux))[0] == {"A__B": "1", "New__One": "1"}
    other = Place("east", {"A__B": "1", "New__One": "1"}, os=Os.LINUX)
    back = Place("west", {"A:B": "0"})
    assert shown(travelled(other, back))[0] == {"A:B": "1", "New:One": "1"}


def test_capitals_stay_as_the_target_has_them() -> None:
    """A connection string, too, keeps the name that was chosen there."""
    known = ("Url", "connectionstrings/Db")
    source = Place("west", {"Url": "1"}, {"Db": ("1", "Custom")}, known=known)
    target = Place("east", {"URL": "0"}, {"DB": ("0", "Custom")}, known=known)
    assert shown(travelled(source, target)) == ({"URL": "1"}, {"DB": ("1", "Custom")})


def test_a_name_that_was_respelled_meanwhile_goes_back_under_its_new_spelling() -> None:
    """The old value does not come back as a second spelling beside the new one."""
    source, target = Place("west", {"A:B": "1"}), Place("east", {"A:B": "0"})
    keys = planned(source.side, target.side)
    copy = copied(keys, source.side, target.side, target.settings)
    respelled = Place("east", {"A__B": "1"})
    assert shown(after(backward(copy, keys, respelled.side), respelled.settings))[0] == {"A__B": "0"}


def test_a_translated_value_gets_the_targets_own_names() -> None:
    """The free part travels, the region's name does not."""
    policy = a_policy(Url=KeyClass.TRANSLATED)
    source = Place("west", {"Url": f"https://{host('west')}/new"}, policy=policy)
    target = Place("east", {"Url": f"https://{host('east')}/old"}, policy=policy)
    assert shown(travelled(source, target))[0] == {"Url": f"https://{host('east')}/new"}


def test_a_value_that_cannot_be_said_in_the_target_is_refused() -> None:
    """Should a plan have let it pass, the write does not; the message names the key and no value."""
    policy = a_policy(Url=KeyClass.TRANSLATED)
    source, target = Place("west", {"Url": "secret"}, policy=policy), Place("east", {}, policy=policy)
    with pytest.raises(UnsafePlan, match="Url") as unfit:
        travelled(source, target)
    assert "secret" not in str(unfit.value)
    dashed, linux = Place("west", {"A-B": "1"}), Place("east", {}, os=Os.LINUX)
    with pytest.raises(UnsafePlan, match="A-B"):
        travelled(dashed, linux)


@pytest.mark.parametrize(
    "text", ["", "{}", '{"app":[["A"]],"connections":[]}', "secret", "\ud800", '{"app":' + "[" * 5000]
)
def test_a_copy_that_is_not_ours_is_not_used(text: str) -> None:
    """The error says so without showing what the copy was."""
    with pytest.raises(StalePlan) as refused:
        backward(Value(text), (), Place("east", {}).side)
    assert "secret" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize("old", [Json("null"), "", Json("true"), Json("1.10"), '"', "null", "\ud800"])
def test_the_way_back_is_exact(old: str) -> None:
    """Null, no text, a number and half a character are put back as what they were."""

    def settings(text: str) -> RegionSettings:
        strings = {"db": ConnectionString(Value(text), "Custom"), "odd": ConnectionString(Value(text), "")}
        return RegionSettings(app=AppSettings({"A": Value(text)}), connections=strings)

    def seen(region: str, of: RegionSettings) -> Side:
        return side(a_region(region), of, a_policy(), SECRET)

    new, before = settings("new"), settings(old)
    source, target = seen("west", new), seen("east", before)
    keys = planned(source, target)
    copy = copied(keys, source, target, before)
    written = after(forward(keys, source, target, new, a_policy()), before)
    assert after(backward(copy, keys, seen("east", written)), written) == before


def test_nothing_here_shows_a_value() -> None:
    """Patches and copies are masked."""
    source, target = Place("west", {"A": "hush"}, {"db": ("hush", "Custom")}), Place("east", {"A": "hush2"})
    keys = planned(source.side, target.side)
    change = forward(keys, source.side, target.side, source.settings, source.policy)
    copy = copied(keys, source.side, target.side, target.settings)
    assert "hush" not in f"{change!r} {copy!r} {keys!r} {target.settings!r} {source.side!r}"


def test_what_is_there_already_hides_nothing_behind_it() -> None:
    """Of a half-made write the rest is written, wherever in the order it stands."""
    source = Place("west", {"A": "1", "B:C": "2", "D": "3"})
    before = Place("east", {})
    half = Place("east", {"A": "1"})
    change = forward(
        planned(source.side, before.side), source.side, half.side, source.settings, source.policy
    )
    assert {name: value and value.reveal() for name, value in change.app.items()} == {"B:C": "2", "D": "3"}


def test_a_copy_that_cannot_be_read_says_how_and_nothing_of_itself() -> None:
    """Its text may be anything."""
    with pytest.raises(StalePlan, match=r"the vault copy cannot be read \(DecodeError\)") as error:
        backward(Value("{secret"), (), Place("east", {}).side)
    assert "{secret" not in str(error.value)
    assert error.value.__cause__ is None
