"""Names across platforms: one key, one name per site, and nothing that is merely alike."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.groups.model import Os
from shared.settings_sync.spelling import (
    Untranslatable,
    app_key,
    by_key,
    canonical,
    connection_key,
    fold,
    is_connection,
    spell,
)

NAMES = st.text("ABab01_:.-= ", min_size=1, max_size=12)
PLAIN = st.text("ABab01_:", min_size=1, max_size=12).filter(
    lambda name: "__" not in name and "_:" not in name
)


def travel(
    name: str, source: Os, target: Os, target_names: dict[str, str] | None = None
) -> str | Untranslatable:
    """Return what a name of the source becomes on the target."""
    return spell(
        canonical(name),
        source_name=name,
        source_os=source,
        target_os=target,
        target_names=target_names or {},
    )


def refusal(name: str, source: Os, target: Os, target_names: dict[str, str] | None = None) -> str:
    """Return why a name of the source cannot be had on the target."""
    told = travel(name, source, target, target_names)
    assert isinstance(told, Untranslatable), told
    return told.reason


@given(NAMES)
def test_a_key_is_its_own_key(name: str) -> None:
    """Taking the key of a key changes nothing."""
    assert canonical(canonical(name)) == canonical(name)


@given(PLAIN)
def test_there_and_back_is_the_same_name(name: str) -> None:
    """A name from Windows comes back from Linux as it went."""
    there = travel(name, Os.WINDOWS, Os.LINUX)
    assert isinstance(there, str)
    assert ":" not in there
    assert travel(there, Os.LINUX, Os.WINDOWS) == name


@given(NAMES, st.sampled_from(Os), st.sampled_from(Os))
def test_the_app_reads_the_same_key(name: str, source: Os, target: Os) -> None:
    """Whatever name a key gets, it is that key's; or there is a reason why it gets none."""
    match travel(name, source, target):
        case Untranslatable(reason):
            assert name in reason
        case told:
            assert canonical(told) == canonical(name)


@given(NAMES, NAMES, st.sampled_from(Os), st.sampled_from(Os))
def test_the_targets_spelling_wins(name: str, own: str, source: Os, target: Os) -> None:
    """A key that the target has keeps the name that it has there, even one that could not travel."""
    assert travel(name, source, target, {canonical(name): own}) == own


@given(NAMES.filter(lambda name: "=" not in name), st.sampled_from(Os))
def test_one_platform_one_spelling(name: str, system: Os) -> None:
    """Between sites of one kind a name stays as it is: what one took, the other takes."""
    assert travel(name, system, system) == name


@pytest.mark.parametrize(
    ("name", "source", "target", "part"),
    [
        ("A=B", Os.WINDOWS, Os.WINDOWS, "'='"),
        ("A=B", Os.LINUX, Os.WINDOWS, "'='"),
        ("A:B=", Os.WINDOWS, Os.LINUX, "'='"),
        ("A.B", Os.WINDOWS, Os.LINUX, "'.'"),
        ("A.B", Os.LINUX, Os.WINDOWS, "'.'"),
        ("A-B", Os.WINDOWS, Os.LINUX, "letters, digits and '_'"),
        ("A-Ä", Os.WINDOWS, Os.LINUX, "has - Ä in it"),
        ("Ä:B", Os.WINDOWS, Os.LINUX, "letters, digits and '_'"),
        ("A_:B", Os.WINDOWS, Os.LINUX, "another key"),
    ],
)
def test_what_cannot_travel_says_why(name: str, source: Os, target: Os, part: str) -> None:
    """A name that the other platform would take for another key is refused with its reason."""
    assert part in refusal(name, source, target)


def test_capitals_are_no_second_setting() -> None:
    """A key is not written beside its twin in other capitals; that would be two spellings on one site."""
    assert "only in case" in refusal("A:b", Os.WINDOWS, Os.WINDOWS, {"A:B": "A:B"})


def test_nested_names() -> None:
    """SCEPman's names as each platform spells them."""
    linux = travel("AppConfig:KeyVaultConfig:KeyVaultURL", Os.WINDOWS, Os.LINUX)
    assert linux == "AppConfig__KeyVaultConfig__KeyVaultURL"
    assert travel(linux, Os.LINUX, Os.WINDOWS) == "AppConfig:KeyVaultConfig:KeyVaultURL"
    assert travel("WEBSITE_TIME_ZONE", Os.WINDOWS, Os.LINUX) == "WEBSITE_TIME_ZONE"


@given(st.lists(NAMES, unique=True))
def test_every_name_is_accounted_for(names: list[str]) -> None:
    """Each name is the one name of its key, or its key is ambiguous; order does not count."""
    told = by_key(names)
    assert told == by_key(reversed(names))
    assert sorted(name for spellings in told.values() for name in spellings) == sorted(names)
    assert all(canonical(spellings[0]) == key for key, spellings in told.items())
    assert all({app_key(name).lower() for name in told[key]} == {key.lower()} for key in told)
    assert len({key.lower() for key in told}) == len(told)


def test_two_spellings_of_one_key_are_ambiguous() -> None:
    """`A:B` beside `A__B`, or beside `a:b`: nobody can say which one counts."""
    assert by_key(["A:B", "A__B", "C"]) == {"C": ("C",), "A:B": ("A:B", "A__B")}
    assert by_key(["A:B", "a:b"]) == {"A:B": ("A:B", "a:b")}


def test_known_keys_lend_their_capitals() -> None:
    """Regions that disagree about capitals agree about keys, and each keeps its own spelling."""
    first = by_key(["AppConfig:BaseUrl"])
    second = by_key(["AppConfig__baseurl"], known=first)
    assert second == {"AppConfig:BaseUrl": ("AppConfig__baseurl",)}
    assert set(by_key(["a:b", "A:B"], known=["A:b"])) == {"A:b"}


HOSTILE = st.lists(
    st.sampled_from(
        (
            "connectionstrings/",
            "ConnectionStrings/",
            "appsettings/",
            "New",
            "\ud800",
            "%uD800",
            "%u0025",
            ":",
            "__",
        )
    ),
    max_size=4,
).map("".join)


@given(HOSTILE, HOSTILE)
def test_a_key_says_what_it_is_the_key_of(one: str, other: str) -> None:
    """Whatever a setting is called, its key is no connection string's and no other setting's, and can be stored."""
    assert not is_connection(app_key(one))
    assert is_connection(connection_key(one))
    assert fold(app_key(one)) != fold(connection_key(other))
    assert (app_key(one) == app_key(other)) == (canonical(one) == canonical(other))
    assert (connection_key(one) == connection_key(other)) == (one == other)
    assert msgspec.json.decode(msgspec.json.encode([app_key(one), connection_key(one)]))


def test_a_key_is_found_however_a_person_spells_it() -> None:
    """An app setting by either spelling; a connection string by its own name alone. Both in any capitals."""
    assert fold("AppConfig__Url") == fold("APPCONFIG:URL") == "appconfig:url"
    assert fold("ConnectionStrings/My__Db") == fold("connectionstrings/MY__DB") == "connectionstrings/my__db"
