"""A setting's value never shows itself; a DNS answer is compared as DNS compares names."""

import copy
import pickle

import msgspec
import pytest

from shared.groups.model import AppSettings, NameAnswer, Value
from tests.fakes.clock import START


def test_a_value_never_shows_itself() -> None:
    """Not printed, formatted, encoded or copied away; only revealed where it is said so."""
    value = Value("secret")
    assert repr(value) == str(value) == f"{value}" == f"{value:>20}" == "Value(***)"
    assert value.reveal() == "secret"
    for leak in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match="a setting's value does not leave the process"):
            leak(value)
    with pytest.raises(TypeError):
        msgspec.json.encode(value)


def test_values_compare_by_what_they_say() -> None:
    """And with nothing else; equal ones are one in a set."""
    assert Value("a") == Value("a")
    assert Value("a") != Value("b")
    assert Value("a") != "a"
    assert len({Value("a"), Value("a"), Value("b")}) == 2
    assert hash(Value("a")) != hash(Value("b"))


def test_settings_are_a_mapping_that_shows_no_value() -> None:
    """Names and number may be seen. What it was made of may change afterwards."""
    source = {"A": Value("secret"), "B": Value("other")}
    settings = AppSettings(source)
    del source["B"]
    assert list(settings) == ["A", "B"]
    assert len(settings) == 2
    assert settings["A"].reveal() == "secret"
    assert "secret" not in repr(settings)
    assert dict(settings) == {"A": Value("secret"), "B": Value("other")}


@pytest.mark.parametrize("name", ["app.example", "APP.example.", "App.Example", "app.example.."])
def test_names_are_compared_as_dns_does(name: str) -> None:
    """In any capitals, with or without the root's dot."""
    answer = NameAnswer(at=START, names=("first.example", name))
    assert answer.leads_to("App.example")
    assert not answer.leads_to("other.example")
    assert not NameAnswer(at=START).leads_to("app.example")
