"""The configuration is read once; everything that is wrong is said in one error, with an example."""

from pathlib import Path

import pytest

from shared.errors import SettingsError
from shared.settings import FIELDS, Field, Settings
from shared.settings_sync.policy import KeyClass

RIGHT = {
    "COUNTERPART_SUBSCRIPTIONS": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
    "COUNTERPART_FINGERPRINT_KEY": "0123456789abcdef0123456789abcdef",
    "COUNTERPART_VAULT_URL": "https://kv-counterpart.vault.azure.net/",
    "COUNTERPART_STORE": "sqlite:counterpart.sqlite",
}


def problems(**changes: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({**RIGHT, **changes})
    return caught.value.problems


def test_defaults() -> None:
    """The defaults are the ones that the documents name."""
    settings = Settings.from_env(RIGHT)
    rules, looking = settings.rules, settings.looking
    assert (rules.soak, rules.soak_deadline, rules.verify_deadline, rules.sweep) == (180, 900, 600, 900)
    assert not rules.revert_bad_changes
    assert (looking.probe_every, looking.prove_every) == (60, 300)
    assert looking.scep_path == "/certsrv/mscep/mscep.dll"
    assert settings.arm_url == "https://management.azure.com"
    assert settings.dns_servers == ()


def test_nothing_set() -> None:
    """An empty environment names every setting that is needed, at once."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({})
    said = "\n".join(caught.value.problems)
    for field in FIELDS:
        assert (field.name in said) == (
            field.default is None or field.name in {"COUNTERPART_PROFILES", "COUNTERPART_SUBSCRIPTIONS"}
        )
    assert all("for example" in problem for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("COUNTERPART_PROFILES", "/subscriptions/1"),
        ("COUNTERPART_SUBSCRIPTIONS", "my subscription"),
        ("COUNTERPART_FINGERPRINT_KEY", "short"),
        (
            "COUNTERPART_FINGERPRINT_KEY",
            "@Microsoft.KeyVault(SecretUri=https://kv.vault.azure.net/secrets/key)",
        ),
        ("COUNTERPART_VAULT_URL", "http://kv.vault.azure.net"),
        ("COUNTERPART_SERVICE_HOSTS", "scep.contoso.com"),
        ("COUNTERPART_SERVICE_HOSTS", "scepman=https://scep.contoso.com"),
        ("COUNTERPART_SERVICE_HOSTS", "scepman=scep.contoso.com,SCEPman=other.contoso.com"),
        ("COUNTERPART_DRILL_RESOLVERS", "dns.contoso.com"),
        ("COUNTERPART_DRILL_RESOLVERS", ",".join(f"10.0.0.{number}" for number in range(9))),
        ("COUNTERPART_DRILL_SAMPLE_EVERY", "1ms"),
        ("COUNTERPART_DRILL_OBSERVE", "5h"),
        ("COUNTERPART_DRILL_TARGET", "0s"),
        ("COUNTERPART_DRILL_GIVE_UP_AFTER", "5m"),
        ("COUNTERPART_DRILL_LOAD", "scepman=-5"),
        ("COUNTERPART_DRILL_LOAD", "1500"),
        ("COUNTERPART_DRILL_CAPACITY", "weu=many"),
        ("COUNTERPART_DRILL_SCHEDULE", "30 20 * * MON"),
        ("COUNTERPART_DRILL_SCHEDULE", "scepman=30 25 * * MON"),
        ("COUNTERPART_DRILL_EVERY", "1s"),
        ("COUNTERPART_DRILL_WINDOWS", "MON-20:30"),
        ("COUNTERPART_DRILL_BLOCKED_WINDOWS", "FRIDAY-12:00-13:00"),
        ("COUNTERPART_DRILL_BLOCKED_DATES", "24.12.2026"),
        ("COUNTERPART_DRILL_BLOCKED_DATES", "2027-01-02..2026-12-27"),
        ("COUNTERPART_VAULT_URL", "https://kv.vault.azure.net/secrets/x"),
        ("COUNTERPART_STORE", "sqlite:"),
        ("COUNTERPART_STORE", "somewhere"),
        ("COUNTERPART_SOAK", "3 minutes"),
        ("COUNTERPART_SOAK", "-5s"),
        ("COUNTERPART_SOAK", "90000s"),
        ("COUNTERPART_PROBE_EVERY", "2m"),
        ("COUNTERPART_ON_BAD_CHANGE", "panic"),
        ("COUNTERPART_POLICY", "/no/such/file.toml"),
        ("COUNTERPART_CA_BUNDLE", "/no/such/file.pem"),
        ("COUNTERPART_DNS_SERVERS", "dns.contoso.test"),
        ("COUNTERPART_SCEP_PATH", "certsrv"),
        ("COUNTERPART_AUDIT_ONLY", "yes"),
        ("COUNTERPART_INSTANCE", "the second one"),
    ],
)
def test_wrong_values(name: str, text: str) -> None:
    """Each wrong value is one problem that begins with the setting's name."""
    (problem,) = problems(**{name: text})
    assert problem.startswith(name)


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("https://func.contoso.test/", "https://func.contoso.test"),
        ("http://localhost:7071", "http://localhost:7071"),
        ("http://127.0.0.1:7071/", "http://127.0.0.1:7071"),
        ("", ""),
        ("http://func.contoso.test", None),
        ("http://localhost.contoso.test", None),
        ("https://func.contoso.test/api", None),
    ],
)
def test_where_links_lead(text: str, taken: str | None) -> None:
    """To an https address, or to this machine."""
    if taken is None:
        assert len(problems(COUNTERPART_BASE_URL=text)) == 1
    else:
        assert Settings.from_env({**RIGHT, "COUNTERPART_BASE_URL": text}).base_url == taken


@pytest.mark.parametrize("field", FIELDS, ids=lambda it: it.name)
def test_an_unresolved_reference_is_said(field: Field) -> None:
    """Where App Service cannot resolve a Key Vault reference its text arrives: for no setting is that a value."""
    reference = "@Microsoft.KeyVault(SecretUri=https://kv.vault.azure.net/secrets/it)"
    (problem,) = problems(**{field.name: reference})
    assert problem.startswith(f"{field.name} is a Key Vault reference that App Service did not resolve")


def test_a_verification_outlasts_the_soak() -> None:
    """A deadline before the end of the soak would undo every write: it is refused, with the least that would do."""
    (problem,) = problems(COUNTERPART_VERIFY_DEADLINE="4m", COUNTERPART_SOAK="3m")
    assert problem.startswith("COUNTERPART_VERIFY_DEADLINE")
    assert "at least 300 s" in problem
    Settings.from_env({**RIGHT, "COUNTERPART_VERIFY_DEADLINE": "5m", "COUNTERPART_SOAK": "3m"})


def test_every_problem_at_once() -> None:
    """Several wrong settings are several problems in one error."""
    assert len(problems(COUNTERPART_SOAK="x", COUNTERPART_STORE="y", COUNTERPART_PROBE_EVERY="1h")) == 3


def test_the_key_is_never_shown() -> None:
    """Neither an error nor a repr shows the fingerprint key, right or wrong."""
    secret = "S3CRET-too-short"  # noqa: S105 -- to look for
    assert secret not in "".join(problems(COUNTERPART_FINGERPRINT_KEY=secret))
    long = "S3CRET-" + "x" * 40
    assert long not in repr(Settings.from_env({**RIGHT, "COUNTERPART_FINGERPRINT_KEY": long}))


@pytest.mark.parametrize(
    ("text", "seconds"), [("180s", 180), ("15m", 900), ("0.5h", 1800), ("200ms", 0.2), ("1d", 86_400)]
)
def test_durations(text: str, seconds: float) -> None:
    """A duration is a number with its unit."""
    assert Settings.from_env({**RIGHT, "COUNTERPART_SWEEP": text}).rules.sweep == seconds


def test_examples_are_right(tmp_path: Path) -> None:
    """Every example that an error or the documents give can be used as it is."""
    (tmp_path / "file").write_text("")
    for field in FIELDS:
        if "<" in field.example or (":" in field.example.partition(" ")[0] and " " in field.example):
            continue  # a pattern, or a sentence that tells how to make one
        if field.example.startswith("/home/") or field.example.startswith("the output"):
            continue  # a file on the deployed app
        field.convert(field.example)


def test_a_policy_of_ones_own(tmp_path: Path) -> None:
    """Rules of the user's file are asked before the shipped ones."""
    file = tmp_path / "policy.toml"
    file.write_text('[[rule]]\nkeys = ["AppConfig:BaseUrl"]\nclass = "local"\nreason = "each its own"\n')
    settings = Settings.from_env({**RIGHT, "COUNTERPART_POLICY": str(file)})
    assert settings.policy.rule_for("AppConfig:BaseUrl").key_class is KeyClass.LOCAL


def test_a_broken_policy_is_a_problem_of_its_setting(tmp_path: Path) -> None:
    """A policy file that cannot be read is named by its setting, like any other problem."""
    file = tmp_path / "policy.toml"
    file.write_text("[[rule]\n")
    assert problems(COUNTERPART_POLICY=str(file))[0].startswith("COUNTERPART_POLICY")
