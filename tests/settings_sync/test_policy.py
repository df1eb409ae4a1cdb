"""The key policy: which rule decides, what a file may say, what is shipped, and translated values."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.reference import OWN_RULES, PAGES, shipped_rules
from shared.errors import SettingsError, UnsafePlan
from shared.groups.model import Os, Region
from shared.settings_sync.policy import (
    _LOOKS_LIKE,
    EVERYTHING_ELSE,
    KeyClass,
    Policy,
    Rule,
    abstract,
    compose,
    concrete,
    parse,
)

DOCS = Path(__file__).parents[2] / "docs"


def a_rule(pattern: str, key_class: KeyClass = KeyClass.LOCAL, *, fixed: bool = False) -> Rule:
    """A rule of which only the given parts matter."""
    return Rule(pattern=pattern, key_class=key_class, reason="so", source="a.toml", fixed=fixed)


def a_region(name: str = "west", host: str = "scepman-west.azurewebsites.net") -> Region:
    """A Windows region in West Europe."""
    site = f"/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/{host.partition('.')[0]}"
    return Region(name=name, location="West Europe", site_id=site, host=host, os=Os.WINDOWS)


def the_policy(user: str = "") -> Policy:
    """The shipped policy, with a user's file over it."""
    return compose(shipped=shipped_rules(), user=parse(user, "mine.toml"))


def an_entry(keys: str, key_class: str, more: str = "") -> str:
    """One rule as a file has it."""
    return f'[[rule]]\nkeys = ["{keys}"]\nclass = "{key_class}"\nreason = "ours"\n{more}\n'


def problems_of(text: str) -> tuple[str, ...]:
    """Everything that reading this file complains about."""
    with pytest.raises(SettingsError) as caught:
        parse(text, "mine.toml")
    return caught.value.problems


# Which rule decides.

PATTERNS = st.text("AB:*", min_size=1, max_size=6)


@given(st.lists(PATTERNS, max_size=8), st.text("abAB:", min_size=1, max_size=8))
def test_the_first_rule_that_fits_decides(patterns: list[str], key: str) -> None:
    """Rules are asked in their order; whatever none of them names is replicated."""
    rules = [a_rule(pattern) for pattern in patterns]
    fits = (
        rule
        for rule in rules
        if re.fullmatch(re.escape(rule.pattern).replace(r"\*", ".*"), key, re.IGNORECASE)
    )
    assert Policy(rules).rule_for(key) is next(fits, EVERYTHING_ELSE)


def test_a_rule_names_the_whole_key() -> None:
    """A pattern without a star is one key: not its parent, not its children."""
    policy = Policy([a_rule("A:B")])
    assert [policy.rule_for(key).key_class for key in ("a:b", "A:B:C", "X:A:B", "A")] == [
        KeyClass.LOCAL,
        KeyClass.REPLICATE,
        KeyClass.REPLICATE,
        KeyClass.REPLICATE,
    ]


def test_other_signs_in_a_pattern_mean_themselves() -> None:
    """Only the star is special: a dot is a dot."""
    policy = Policy([a_rule("A.B[1]?")])
    assert policy.rule_for("A.B[1]?").key_class is KeyClass.LOCAL
    assert policy.rule_for("AxB1") is EVERYTHING_ELSE


def test_users_rules_come_before_the_shipped_ones() -> None:
    """A user's rule about a key counts, wherever the shipped file has another opinion."""
    assert the_policy().rule_for("AppConfig:LicenseKey").key_class is KeyClass.REPLICATE
    policy = the_policy(an_entry("AppConfig:L*", "local"))
    told = policy.rule_for("AppConfig:LicenseKey")
    assert (told.key_class, told.reason, told.source) == (KeyClass.LOCAL, "ours", "mine.toml")


@pytest.mark.parametrize(
    "keys",
    [
        "AppConfig:AuthConfig:ManagedIdentityEnabledOnUnixTime",
        "appconfig:authconfig:managedidentity*",
        "WEBSITE_RUN_FROM_PACKAGE",
        "Update_Channel",
        "AppConfig:KeyVaultConfig:KeyVaultURL",
    ],
)
def test_nobody_overrules_a_fixed_rule(keys: str) -> None:
    """A region's own identity and package, and what makes the regions one authority, keep their classes."""
    with pytest.raises(SettingsError, match=r"mine\.toml") as caught:
        the_policy(an_entry(keys, "replicate"))
    assert len(caught.value.problems) == 1


def test_a_wide_rule_leaves_fixed_keys_alone() -> None:
    """`*` may be replicated by will; the managed identity and the package still stay where they are."""
    policy = the_policy(an_entry("*", "replicate"))
    assert policy.rule_for("APPINSIGHTS_INSTRUMENTATIONKEY").key_class is KeyClass.REPLICATE
    for key in ("AppConfig:AuthConfig:ManagedIdentityPermissionLevel", "WEBSITE_RUN_FROM_PACKAGE"):
        assert policy.rule_for(key).key_class is KeyClass.LOCAL
    assert policy.rule_for("AppConfig:KeyVaultConfig:KeyVaultURL").key_class is KeyClass.IDENTITY


def test_a_user_may_repeat_a_fixed_rule_but_not_make_one() -> None:
    """Saying the same is no offence; `fixed` is for the shipped files."""
    assert the_policy(an_entry("Update_Channel", "local")).rule_for("Update_Channel").fixed
    with pytest.raises(SettingsError, match="only shipped rules are fixed"):
        the_policy(an_entry("Mine", "local", "fixed = true"))


# What a file may say.


def test_a_file_becomes_rules() -> None:
    """One rule per pattern, in the order of the file, the reason on one line."""
    text = """
        [[rule]]
        keys = ["A:*", "B"]
        class = "translated"
        template = "x{site}"
        reason = '''
        one
        two'''
    """
    assert parse(text, "f") == tuple(
        Rule(
            pattern=pattern,
            key_class=KeyClass.TRANSLATED,
            reason="one two",
            source="f",
            template="x{site}",
        )
        for pattern in ("A:*", "B")
    )
    assert parse("", "f") == ()
    (plain,) = parse(an_entry("A", "local"), "f")
    assert (plain.template, plain.fixed) == ("", False)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("keys = [", "not TOML"),
        ("[rule]\nx = 1", "not a list of tables"),
        ("rule = [1]", "not a list of tables"),
        ("version = 2", "'version'"),
        (an_entry("A", "local", "comment = 'x'"), "'comment'"),
        ('[[rule]]\nclass = "local"\nreason = "r"', "keys is a list"),
        ('[[rule]]\nkeys = "A"\nclass = "local"\nreason = "r"', "keys is a list"),
        ('[[rule]]\nkeys = [1]\nclass = "local"\nreason = "r"', "1 is not a pattern"),
        (an_entry(" A", "local"), 'write "A"'),
        (an_entry("A__B", "local"), 'write "A:B"'),
        (an_entry("A", "copy"), "replicate, local, identity, translated"),
        ('[[rule]]\nkeys = ["A"]\nclass = ["local"]\nreason = "r"', "replicate, local, identity, translated"),
        ('[[rule]]\nkeys = ["A"]\nclass = "local"', "says why"),
        ('[[rule]]\nkeys = ["A"]\nclass = "local"\nreason = "  "', "says why"),
        (an_entry("A", "local", "fixed = 1"), "true or false"),
        (an_entry("A", "local", "template = '{host}'"), "translated"),
        (an_entry("A", "translated"), "needs a template"),
        (an_entry("connectionstrings/A", "translated", "template = '{host}'"), "is not translated"),
        (an_entry("A", "translated", "template = 1"), "template is a text"),
        (an_entry("A", "translated", "template = 'https://{region}'"), "{region} is not a placeholder"),
        (an_entry("A", "translated", "template = '{host}}'"), "brace"),
        (an_entry("A", "translated", "template = 'https://*'"), "nothing to translate"),
        (an_entry("A", "translated", "template = '*{site}*'"), "one * at most"),
        (an_entry("A:*", "local") + an_entry("a:B*", "replicate"), "comes after A:*"),
    ],
)
def test_what_is_wrong_is_said(text: str, part: str) -> None:
    """Every mistake has its own message, and the message names the file."""
    (problem,) = problems_of(text)
    assert part in problem
    assert problem.startswith("mine.toml")


def test_all_mistakes_at_once() -> None:
    """One reading tells about every mistake in the file, with the number of its rule."""
    text = (
        "title = 'x'\n" + an_entry("A", "copy") + an_entry("B", "local") + '[[rule]]\nkeys = []\nclass = "no"'
    )
    assert [problem.partition(": ")[0] for problem in problems_of(text)] == [
        "mine.toml",
        "mine.toml, rule 1",
        *["mine.toml, rule 3"] * 3,
    ]


def test_the_example_in_the_messages_is_right() -> None:
    """What a message offers as an example can be read."""
    _, _, example = _LOOKS_LIKE.partition(": ")
    assert [rule.key_class for rule in parse(example, "example")] == [KeyClass.LOCAL]


# What is shipped.

LOCAL = """
    AppConfig:AuthConfig:ManagedIdentityEnabledForWebsiteHostname
    AppConfig:AuthConfig:ManagedIdentityEnabledOnUnixTime
    AppConfig:AuthConfig:ManagedIdentityPermissionLevel WEBSITE_RUN_FROM_PACKAGE Update_Channel
    WEBSITE_RUN_FROM_PACKAGE_BLOB_MI_RESOURCE_ID WEBSITE_HEALTHCHECK_MAXPINGFAILURES
    APPINSIGHTS_INSTRUMENTATIONKEY APPLICATIONINSIGHTS_CONNECTION_STRING
    XDT_MicrosoftApplicationInsights_Mode ApplicationInsightsAgent_EXTENSION_VERSION
    DiagnosticServices_EXTENSION_VERSION InstrumentationEngine_EXTENSION_VERSION
    SnapshotDebugger_EXTENSION_VERSION WEBSITE_HTTPLOGGING_RETENTION_DAYS
    DIAGNOSTICS_AZUREBLOBRETENTIONINDAYS AZMON_LOG_CATEGORY_APPSERVICEAPPLOGS_ENABLED
    BackUp:AppConfig:AuthConfig:ApplicationId WEBSITE_VNET_ROUTE_ALL WEBSITE_DNS_SERVER WEBSITE_CONTENTSHARE
    WEBSITE_CONTENTAZUREFILECONNECTIONSTRING WEBSITE_AUTH_TOKEN_CONTAINER_SASURL
    AppConfig:ActiveDirectory:BaseUrl AzureWebJobsStorage AzureWebJobsStorage:accountName
    AppConfig:SCEPman:URL
"""
IDENTITY = """
    AppConfig:KeyVaultConfig:KeyVaultURL AppConfig:KeyVaultConfig:RootCertificateConfig:CertificateName
    AppConfig:CertificateStorage:TableStorageEndpoint AppConfig:AuthConfig:TenantId
    AppConfig:AuthConfig:HomeTenantId AppConfig:AuthConfig:ApplicationId
    AppConfig:AuthConfig:HomeApplicationId AppConfig:AuthConfig:TenantName
    AppConfig:KeyVaultConfig:RootCertificateConfig:Subject
    AppConfig:KeyVaultConfig:RootCertificateConfig:KeySize AppConfig:AzureCloudConfig:KeyVaultEndpoint
"""
REPLICATE = """
    AppConfig:BaseUrl AppConfig:LicenseKey AppConfig:CertMaster:URL
    AppConfig:IntuneValidation:ValidityPeriodDays AppConfig:DCValidation:RequestPassword
    AppConfig:JamfValidation:ClientSecret AppConfig:StaticValidation:Enabled
    AppConfig:StaticAADValidation:DefaultEkus AppConfig:DirectCSRValidation:Enabled
    AppConfig:RADIUSaaSValidation:Token AppConfig:DbCSRValidation:AllowRenewals
    AppConfig:OCSP:UseAuthorizedResponder AppConfig:CRL:RequestToken AppConfig:ValidityPeriodDays
    AppConfig:ValidityClockSkewMinutes AppConfig:LoggingConfig:RuleId
    AppConfig:LoggingConfig:DataCollectionEndpointUri AppConfig:LoggingConfig:AzureEventHubConnectionString
    AppConfig:LoggingConfig:WorkspaceId AppConfig:LoggingConfig:SharedKey AppConfig:LoggingConfig:LogLevel
    AppConfig:AddMicrosoftAADExtensions AppConfig:AddSidExtension AppConfig:AnonymousHomePageAccess
    AppConfig:ActiveDirectory:GroupFilter AppConfig:ActiveDirectory:Computer:Enabled AppConfig:RemoteDebug
    AppConfig:AuthConfig:ApplicationKey AppConfig:ConcurrentSCEPRequestLimit
    AppConfig:EnableCertificateStorage AppConfig:SCEPResponseEncryptionAlgorithm
    AppConfig:UseRequestedKeyUsages WEBSITE_AUTH_ENCRYPTION_KEY connectionstrings/Main
"""


@pytest.mark.parametrize(
    ("key", "key_class"),
    [
        *((key, KeyClass.LOCAL) for key in LOCAL.split()),
        *((key, KeyClass.IDENTITY) for key in IDENTITY.split()),
        *((key, KeyClass.REPLICATE) for key in REPLICATE.split()),
    ],
)
def test_the_shipped_policy_knows_the_key(key: str, key_class: KeyClass) -> None:
    """Every key that the vendor's pages name has its class and a reason of its own."""
    told = the_policy().rule_for(key)
    assert told.key_class is key_class
    assert told is not EVERYTHING_ELSE


def test_every_shipped_rule_can_count() -> None:
    """No shipped rule hides behind another one, and each ends its reason as a sentence does."""
    policy = the_policy()
    for rule in policy.rules:
        assert policy.rule_for(rule.pattern) is rule, rule.pattern
        assert rule.reason.endswith("."), rule.pattern


def test_names_without_a_rule() -> None:
    """A platform name with single underscores is itself; a key that nobody knows is replicated."""
    policy = the_policy()
    assert policy.rule_for("WEBSITE_TIME_ZONE") is EVERYTHING_ELSE
    assert policy.rule_for("AppConfig__BaseUrl") is policy.rule_for("AppConfig:BaseUrl")


def test_the_page_is_written_from_the_files() -> None:
    """docs/ shows what the product reads; `python -m cli.reference` writes it anew."""
    for name, page in PAGES.items():
        assert (DOCS / name).read_text("utf-8") == page(), (
            f"run: python -m cli.reference (docs/{name} is behind)"
        )


def test_the_page_s_example_works() -> None:
    """The rules that the page offers as a start can be used as they are."""
    policy = the_policy(OWN_RULES)
    assert policy.rule_for("Portal:CallbackUrl").key_class is KeyClass.TRANSLATED
    assert policy.rule_for("AppConfig:ConcurrentSCEPRequestLimit").key_class is KeyClass.LOCAL


# Values that name their region.

TEMPLATES = st.builds(
    "".join,
    st.lists(
        st.sampled_from(["{host}", "{site}", "{location}", "{endpoint}", "https://", "/", "a"]), min_size=1
    ),
).flatmap(lambda text: st.sampled_from([text, text + "*", "*" + text, text + "*" + text]))
REGIONS = st.builds(
    a_region,
    name=st.text("abé{}*", min_size=1, max_size=4),
    host=st.text("ab.", min_size=1, max_size=5).filter(lambda host: not host.startswith(".")),
)


@given(TEMPLATES, REGIONS, REGIONS, st.text(max_size=8))
def test_a_value_goes_there_and_back(template: str, here: Region, there: Region, rest: str) -> None:
    """What fits here is rebuilt here as it was, fits there after travelling, and means the same there."""
    free = (rest,) if "*" in template else ()
    value = concrete(free, template, here)
    assert abstract(value, template, here) == free
    travelled = concrete(free, template, there)
    assert abstract(travelled, template, there) == free


@given(st.text("htps:/ab.net", max_size=20), TEMPLATES, REGIONS)
def test_what_fits_is_rebuilt_exactly(value: str, template: str, region: Region) -> None:
    """A value is either taken apart without loss or said not to fit."""
    free = abstract(value, template, region)
    assert free is None or concrete(free, template, region) == value


def test_a_value_in_the_other_regions_words() -> None:
    """The region's own host name is exchanged, the rest stays."""
    west, north = a_region(), a_region("north", "scepman-north.azurewebsites.net")
    free = abstract("https://scepman-west.azurewebsites.net/cb?x=1", "https://{host}*", west)
    assert free == ("/cb?x=1",)
    assert concrete(free, "https://{host}*", north) == "https://scepman-north.azurewebsites.net/cb?x=1"
    assert concrete((), "{endpoint}-{site}-{location}", north) == "north-scepman-north-westeurope"


@pytest.mark.parametrize(
    "value", ["https://scepman-north.azurewebsites.net/", "https://SCEPMAN-WEST", "", "https://"]
)
def test_a_value_that_does_not_fit(value: str) -> None:
    """A value that does not name its own region as the template says is not translated by guessing."""
    assert abstract(value, "https://{host}*", a_region()) is None


def test_the_ends_of_a_value_do_not_overlap() -> None:
    """One occurrence of the region's name cannot stand for two."""
    assert abstract("north", "{endpoint}*{endpoint}", a_region("north")) is None
    assert abstract("northnorth", "{endpoint}*{endpoint}", a_region("north")) == ("",)


def test_a_region_without_the_name() -> None:
    """Nothing fits a template whose name the region lacks, and nothing is built from it."""
    nowhere = a_region(host="")
    assert abstract("https://", "https://{host}*", nowhere) is None
    with pytest.raises(UnsafePlan, match="west lacks a name"):
        concrete(("",), "https://{host}*", nowhere)
    with pytest.raises(UnsafePlan, match="plan again"):
        concrete((), "https://{host}*", a_region())


def test_nesting_without_end_is_not_toml() -> None:
    """A file that only nests is a problem with a sentence, as any other wrong file."""
    with pytest.raises(SettingsError, match="this is not TOML"):
        parse("a = " + "[" * 5000, "mine.toml")


def test_many_stars_are_as_quick_as_few() -> None:
    """A pattern of many parts tries each place once: this would take years if it tried all."""
    pattern, key = "*a" * 20 + "b", "a" * 200
    assert Policy([a_rule(pattern)]).rule_for(key) is EVERYTHING_ELSE
    assert Policy([a_rule(pattern)]).rule_for(key + "b").pattern == pattern
    parse(f'[[rule]]\nkeys = ["{pattern}", "{key}"]\nclass = "local"\nreason = "so"\n', "mine.toml")


@pytest.mark.parametrize("template", ["https://{host}/{", "https://{host}/}", "{{host}"])
def test_a_brace_alone_is_told(template: str) -> None:
    """On either side; the sentence shows how a template is written."""
    text = f'[[rule]]\nkeys = ["A"]\nclass = "translated"\nreason = "why"\ntemplate = "{template}"\n'
    words = 'a brace in the template is alone.*such as template = "https://{host}'
    with pytest.raises(SettingsError, match=words):
        parse(text, "mine.toml")
