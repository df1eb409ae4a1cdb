"""A region's side: canonical keys, fingerprints instead of values, local keys apart."""

from hypothesis import given
from hypothesis import strategies as st

from shared.groups.model import AppSettings, ConnectionString, Json, Os, Region, RegionSettings, Value
from shared.settings_sync.diff import footprint, side
from shared.settings_sync.fingerprint import FingerprintKey, digest
from shared.settings_sync.model import Side
from shared.settings_sync.policy import KeyClass, Policy, Rule
from tests.builders import a_policy, a_region, host, some_settings

SECRET = FingerprintKey("the secret of these tests")
TEXTS = st.text(max_size=8)
APPS = st.dictionaries(st.sampled_from(["A", "B__C", "D"]), TEXTS)


def seen(
    app: dict[str, str],
    connections: dict[str, tuple[str, str]] | None = None,
    *,
    region: Region | None = None,
    policy: Policy | None = None,
    secret: FingerprintKey = SECRET,
    known: tuple[str, ...] = (),
) -> Side:
    """The side of a region with these settings."""
    return side(
        region or a_region(), some_settings(app, connections), policy or a_policy(), secret, known=known
    )


@given(APPS, APPS)
def test_fingerprints_are_equal_exactly_when_values_are(one: dict[str, str], other: dict[str, str]) -> None:
    """For every key, in two regions, under one secret."""
    west, east = seen(one), seen(other, region=a_region("east"))
    for name in one.keys() | other.keys():
        key = name.replace("__", ":")
        assert (west.print_of(key) == east.print_of(key)) == (one.get(name) == other.get(name))
    assert (footprint(west) == footprint(east)) == (one == other)


@given(TEXTS.filter(len))
def test_no_fingerprint_says_anything_of_its_value(value: str) -> None:
    """Not under another key, not under another secret, and not in the text of anything."""
    found = seen({"A": value, "B": value}).entries
    assert found["A"].print != found["B"].print
    assert seen({"A": value}, secret=FingerprintKey("another")).entries["A"].print != found["A"].print
    assert len(found["A"].print) == 32


def test_the_secret_is_not_in_its_own_text_or_id() -> None:
    """The id may be stored, so it is no part of the secret; equal secrets have equal ids."""
    assert "the secret" not in repr(SECRET)
    assert SECRET.id in repr(SECRET)
    assert FingerprintKey("the secret of these tests").id == SECRET.id != FingerprintKey("another").id


def test_both_platforms_spell_one_key() -> None:
    """`A:B` on Windows is `A__B` on Linux."""
    windows = seen({"A:B": "1"})
    linux = seen({"A__B": "1"}, region=a_region("east", os=Os.LINUX))
    assert windows.print_of("A:B") == linux.print_of("A:B") is not None
    assert (windows.entries["A:B"].name, linux.entries["A:B"].name) == ("A:B", "A__B")


def test_capitals_follow_the_keys_that_are_known() -> None:
    """A region that writes a name in other capitals has the same key, in settings and connection strings."""
    known = ("Url", "connectionstrings/Db")
    found = seen({"URL": "1"}, {"DB": ("s", "Custom")}, known=known)
    assert set(found.entries) == set(known)
    assert (found.entries["Url"].name, found.entries["connectionstrings/Db"].name) == ("URL", "DB")


def test_a_key_spelled_twice_is_ambiguous_and_no_value() -> None:
    """Which of the two counts is a guess, for settings as for connection strings; it is not as if none were there."""
    found = seen({"A:B": "1", "A__B": "2"}, {"Db": ("1", "Custom"), "db": ("2", "Custom")})
    assert None not in {found.print_of(key) for key in found.ambiguous}
    assert found.entries["A:B"].spellings == ("A:B", "A__B")
    assert (found.entries["A:B"].name, found.entries["A:B"].size) == ("A:B", 6 + 7), "both take their room"
    assert set(found.ambiguous) == {"A:B", "connectionstrings/Db"}
    assert footprint(found) != footprint(seen({}))
    once = seen({"A:B": "1"}, {"Db": ("1", "Custom")})
    assert once.ambiguous == ()


def test_local_keys_are_named_and_not_fingerprinted() -> None:
    """Whatever the policy keeps in its region is set apart, also if it is spelled twice."""
    policy = a_policy(**{"A*": KeyClass.LOCAL, "connectionstrings/*": KeyClass.LOCAL})
    found = seen({"A1": "1", "A:B": "1", "A__B": "2", "C": "1"}, {"db": ("1", "Custom")}, policy=policy)
    assert set(found.entries) == {"C"}
    assert found.local == ("A1", "A:B", "connectionstrings/db")
    assert found.ambiguous == ()


def test_a_connection_strings_type_is_part_of_it() -> None:
    """The same text under another type is another connection string."""
    prints = {
        SECRET.connection("db", ConnectionString(Value("x"), kind)) for kind in ("SQLAzure", "Custom", "")
    }
    assert len(prints) == 3
    assert SECRET.value("db", Value("x")) not in prints


def test_a_translated_value_is_the_same_where_it_says_the_same() -> None:
    """Each region's own host name in its place: equal; what does not fit the template says so."""
    policy = a_policy(Url=KeyClass.TRANSLATED)
    west = seen({"Url": f"https://{host('west')}/portal"}, policy=policy)
    east = seen({"Url": f"https://{host('east')}/portal"}, region=a_region("east"), policy=policy)
    other = seen({"Url": f"https://{host('east')}/other"}, region=a_region("east"), policy=policy)
    copied = seen({"Url": f"https://{host('west')}/portal"}, region=a_region("east"), policy=policy)
    assert west.print_of("Url") == east.print_of("Url") != other.print_of("Url")
    assert copied.print_of("Url") != west.print_of("Url")
    assert west.entries["Url"].obstacle == ""
    assert "does not fit the policy's template" in copied.entries["Url"].obstacle
    room = len(f"Url=https://{host('west')}/portal") + 1
    assert (west.entries["Url"].size, copied.entries["Url"].size) == (room, room)


def test_what_is_no_text_fits_no_template() -> None:
    """Whatever the template: a number is another value than the text that looks like it."""
    rule = Rule(pattern="N", key_class=KeyClass.TRANSLATED, reason="r", source="s", template="*")
    number = RegionSettings(app=AppSettings({"N": Value(Json("1"))}), connections={})
    found = side(a_region(), number, Policy([rule]), SECRET)
    assert "does not fit the policy's template" in found.entries["N"].obstacle
    assert found.print_of("N") != side(
        a_region(), some_settings({"N": "1"}), Policy([rule]), SECRET
    ).print_of("N")


def test_local_keys_leave_no_footprint() -> None:
    """A region that changes what is its own does not start anyone's soak anew."""
    policy = a_policy(Mine=KeyClass.LOCAL)
    assert footprint(seen({"Mine": "1", "A": "1"}, policy=policy)) == footprint(
        seen({"Mine": "2", "A": "1"}, policy=policy)
    )


def test_fields_of_a_fingerprint_do_not_run_together() -> None:
    """`ab` and `c` are not `a` and `bc`, for values and for digests."""
    assert SECRET.value("ab", Value("c")) != SECRET.value("a", Value("bc"))
    assert SECRET.value("a", Value(Json("null"))) not in {
        SECRET.value("a", Value(name)) for name in ("", "null")
    }
    assert SECRET.parts("k", "t", ("ab",)) != SECRET.parts("k", "ta", ("b",))
    assert digest("ab", "c") != digest("a", "bc")


def test_only_two_spellings_of_one_name_are_ambiguous() -> None:
    """One connection string is itself; in two capitalisations nobody knows which counts. Local ones are no matter."""
    one = seen({}, {"db": ("v", "Custom"), "Queue": ("v", "Custom")})
    assert (one.ambiguous, sorted(one.entries)) == ((), ["connectionstrings/Queue", "connectionstrings/db"])
    two = seen({}, {"db": ("v", "Custom"), "DB": ("w", "Custom"), "Queue": ("v", "Custom")})
    assert two.ambiguous == ("connectionstrings/DB",)
    local = a_policy(**{"connectionstrings/*": KeyClass.LOCAL})
    assert seen({}, {"db": ("v", "Custom"), "DB": ("w", "Custom")}, policy=local).ambiguous == ()


def test_what_is_ambiguous_is_part_of_the_footprint() -> None:
    """A second spelling is a change of its region, and so is a change of either value."""
    one = seen({"A": "1"})
    twice = seen({"A": "1", "a": "1"})
    assert footprint(one) != footprint(twice) != footprint(seen({"A": "1", "a": "2"}))


def test_an_entry_says_how_much_room_it_takes() -> None:
    """A connection string as well as an app setting: name, value, and two bytes."""
    found = seen({"Url": "1234"}, {"Db": ("12345678", "Custom")}).entries
    assert {entry.name: entry.size for entry in found.values()} == {"Url": 9, "Db": 12}
