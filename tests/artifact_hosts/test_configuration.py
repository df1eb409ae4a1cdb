"""The configuration of the package hosts, through Settings."""

from ipaddress import ip_network

import pytest

from shared.artifact_hosts.model import Origin
from shared.errors import SettingsError
from shared.groups.model import Value
from shared.settings import Settings
from tests.artifact_hosts.hosting import GITHUB_URL, ONE_URL, VENDOR_URL
from tests.builders import FINGERPRINT_KEY, SUBSCRIPTION

RIGHT = {
    "COUNTERPART_SUBSCRIPTIONS": SUBSCRIPTION,
    "COUNTERPART_FINGERPRINT_KEY": FINGERPRINT_KEY,
    "COUNTERPART_VAULT_URL": "https://kv-test.vault.azure.net",
    "COUNTERPART_STORE": "sqlite:never-opened.db",
}


def configured(**changes: str) -> Settings:
    return Settings.from_env(
        {**RIGHT, **{f"COUNTERPART_PACKAGE_{name}": item for name, item in changes.items()}}
    )


def test_defaults() -> None:
    """Five minutes, by itself, the vendor's hosts, no private network; the soak is the rollouts' own."""
    settings = configured()
    rules = settings.package_rules
    assert (rules.check_every, rules.soak, rules.verify_deadline) == (300, 180, 600)
    assert (rules.back_after, rules.skew_after) == (86_400, 86_400)
    assert rules.rotate
    assert rules.preferred == {}
    assert settings.package_networks == ()
    assert settings.packages.locate(Value(GITHUB_URL)).host == "github"
    assert settings.packages.locate(Value(VENDOR_URL)).host == "vendor"


def test_everything_set() -> None:
    """Each setting reaches its place."""
    settings = configured(
        CHECK_EVERY="1m",
        ROTATE="ask",
        PREFERRED="west=github",
        TWINS=f"ours windows {ONE_URL}",
        HOSTS="github=https://mirror.contoso.com/i/",
        NETWORKS="10.20.0.0/16, fd00::/8",
    )
    assert settings.package_rules.check_every == 60
    assert not settings.package_rules.rotate
    assert settings.package_rules.preferred == {"west": "github"}
    assert settings.packages.locate(Value(ONE_URL)).origin is Origin.LISTED
    assert settings.packages.locate(Value(GITHUB_URL)).origin is Origin.UNLISTED
    assert settings.package_networks == (ip_network("10.20.0.0/16"), ip_network("fd00::/8"))
    assert "hush" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("CHECK_EVERY", "often"),
        ("ROTATE", "never"),
        ("PREFERRED", "west"),
        ("TWINS", "ours windows http://a.test/a.zip?sig=hush"),
        ("HOSTS", "gitlab=https://a.test/"),
        ("NETWORKS", "10.20.0.1/16"),
    ],
)
def test_wrong_values(name: str, text: str) -> None:
    """One problem that begins with the setting's name, and no signature in it."""
    with pytest.raises(SettingsError) as caught:
        configured(**{name: text})
    (problem,) = caught.value.problems
    assert problem.startswith(f"COUNTERPART_PACKAGE_{name}")
    assert "hush" not in problem


def test_an_id_does_not_tell_its_url() -> None:
    """Two fingerprint keys give two ids for one URL: without the key nobody can try URLs against an id."""
    one = configured().packages.locate(Value(ONE_URL)).id
    env = {**RIGHT, "COUNTERPART_FINGERPRINT_KEY": "another secret, just as long as the first one"}
    assert Settings.from_env(env).packages.locate(Value(ONE_URL)).id != one
