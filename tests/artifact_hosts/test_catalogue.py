"""The known hosts, channels and files; what is a twin of what; and URLs as people write them."""

import pytest

from shared.artifact_hosts.catalogue import (
    HOSTS,
    Catalogue,
    NotWatched,
    Twins,
    host_of,
    normal,
    package_setting,
    parse_hosts,
    parse_preferred,
    parse_twins,
    unfit,
    use_of,
)
from shared.artifact_hosts.model import Location, Origin
from shared.groups.model import AppSettings, Os, Value
from tests.artifact_hosts.hosting import (
    DEFERRED_URL,
    GITHUB_LINUX,
    GITHUB_URL,
    ONE_URL,
    OWN,
    TWO_URL,
    VENDOR_LINUX,
    VENDOR_URL,
    every_url,
)

RETIRED = "https://github.com/glueckkanja/gk-scepman/raw/master/dist/Artifacts.zip"


def located(url: str, catalogue: Catalogue | None = None) -> Location:
    return (catalogue or Catalogue()).locate(Value(url))


def twins_of(url: str, os: Os = Os.WINDOWS, catalogue: Catalogue | None = None) -> list[str]:
    known = catalogue or Catalogue()
    found = (known.url(twin) for twin in known.twins(located(url, known), os))
    return [value.reveal() for value in found if value is not None]


def test_the_vendors_files() -> None:
    """Every file of the facts' table is known by its host, channel and system, and leads back to its URL."""
    known = Catalogue()
    for url in every_url():
        location = located(url)
        assert location.origin is Origin.CATALOGUE
        assert known.url(location) == Value(url)
        assert location.os is (Os.LINUX if "Linux" in url else Os.WINDOWS)
        assert location.host == ("github" if "github" in url else "vendor")
    assert len({located(url).id for url in every_url()}) == len(every_url())


def test_internal_files_have_names_of_their_own() -> None:
    """`Artifacts-Intern.zip` for Windows and `Artifacts-Linux-Internal.zip` for Linux are one channel."""
    windows = located(f"{HOSTS['github']}master/dist/Artifacts-Intern.zip")
    linux = located(f"{HOSTS['vendor']}dist/Artifacts-Linux-Internal.zip")
    assert windows.channel == linux.channel == "internal"
    assert twins_of(f"{HOSTS['github']}master/dist/Artifacts-Intern.zip") == [
        f"{HOSTS['vendor']}dist/Artifacts-Intern.zip"
    ]


@pytest.mark.parametrize(
    ("url", "os", "twins"),
    [
        (GITHUB_URL, Os.WINDOWS, [VENDOR_URL]),
        (VENDOR_URL, Os.WINDOWS, [GITHUB_URL]),
        (GITHUB_LINUX, Os.LINUX, [VENDOR_LINUX]),
        (GITHUB_URL, Os.LINUX, [GITHUB_LINUX, VENDOR_LINUX]),  # the wrong file: the right ones
        (DEFERRED_URL, Os.WINDOWS, []),
        (ONE_URL, Os.WINDOWS, []),
        (RETIRED, Os.WINDOWS, [GITHUB_URL, VENDOR_URL]),
        (
            f"{HOSTS['github']}master/dist-certmaster/CertMaster-Artifacts.zip",
            Os.WINDOWS,
            [f"{HOSTS['vendor']}dist-certmaster/CertMaster-Artifacts.zip"],
        ),
    ],
)
def test_twins(url: str, os: Os, twins: list[str]) -> None:
    """A twin is the same channel's file for the same system at another host; the deferred channel has none."""
    assert twins_of(url, os) == twins


def test_listed_twins() -> None:
    """A custom URL takes part when the configuration lists it, among those listed with it and no others."""
    known = Catalogue(twins=OWN)
    assert twins_of(ONE_URL, catalogue=known) == [TWO_URL]
    assert twins_of(ONE_URL, Os.LINUX, known) == []
    assert located(ONE_URL, known).origin is Origin.LISTED
    assert located(ONE_URL, known).host == "stone.blob.core.windows.net"
    assert twins_of(GITHUB_URL, catalogue=known) == [VENDOR_URL]


def test_a_vendors_url_among_listed_twins() -> None:
    """Where the operator lists a vendor's URL with a mirror of it, the operator's word counts; the host is one."""
    known = Catalogue(twins=(Twins("mirrored", Os.WINDOWS, (Value(GITHUB_URL), Value(ONE_URL))),))
    assert located(GITHUB_URL, known).channel == "mirrored"
    assert located(GITHUB_URL, known).host == "github"
    assert twins_of(GITHUB_URL, catalogue=known) == [ONE_URL]


def test_a_location_tells_no_url() -> None:
    """A custom location is named by its host and a keyed digest: nothing of the path or the signature."""
    for catalogue in (Catalogue(), Catalogue(twins=OWN)):
        shown = repr(located(ONE_URL, catalogue))
        assert "hush" not in shown
        assert "a.zip" not in shown
    other = Catalogue(secret=lambda url: f"{hash(url.reveal()) & 0xFFFFFFFFFFFFFFFF:016x}")
    assert located(ONE_URL, other).id != located(ONE_URL).id


def test_the_retired_host() -> None:
    """The host that the vendor shut down is known as that, whatever file is asked of it."""
    assert located(RETIRED) == Location(
        id="retired.prod.windows", host="retired", channel="prod", os=Os.WINDOWS, origin=Origin.RETIRED
    )
    other = located("https://github.com/glueckkanja/gk-scepman/raw/master/dist/Old.zip")
    assert other == Location(
        id="retired.other", host="retired", channel="other", os=None, origin=Origin.RETIRED
    )
    assert twins_of("https://github.com/glueckkanja/gk-scepman/raw/master/dist/Old.zip") == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("HTTPS://Install.Scepman.COM/dist/Artifacts.zip", VENDOR_URL),
        ("https://install.scepman.com:443/dist/Artifacts.zip", VENDOR_URL),
        ("https://install.scepman.com:/dist/Artifacts.zip", VENDOR_URL),
        (f" {VENDOR_URL}\n", VENDOR_URL),
        ("https://a.test", "https://a.test/"),
        ("https://a.test?x", "https://A.test/?x"),
    ],
)
def test_spellings_of_one_url(one: str, other: str) -> None:
    """Capitals of the host and the default port do not make another place."""
    assert normal(one) == normal(other)
    assert located(one) == located(other)


@pytest.mark.parametrize(
    "url",
    [
        f"{VENDOR_URL}?x=1",
        VENDOR_URL.replace("Artifacts", "artifacts"),
        VENDOR_URL.replace("https", "http"),
        VENDOR_URL.replace(".com", ".com:8443"),
    ],
)
def test_what_is_another_place(url: str) -> None:
    """A query, capitals of the path, another scheme or port do make another place."""
    found = located(url)
    assert (found.origin, found.channel, found.os) == (Origin.UNLISTED, "custom", None)
    assert normal(url) == url


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://Files.Contoso.com:8443/a.zip", "files.contoso.com"),
        ("nonsense", "nowhere"),
        ("x:///a", "nowhere"),
    ],
)
def test_the_host_of_a_url(url: str, name: str) -> None:
    """Its DNS name; what is no URL has none, and is still located."""
    assert host_of(Value(url)) == name
    assert located(url).host == name


def settings(**values: str) -> AppSettings:
    return AppSettings({name: Value(item) for name, item in values.items()})


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("", "deployed"),
        ("0", "deployed"),
        ("1", "own storage"),
        ("@Microsoft.KeyVault(SecretUri=https://kv.vault.azure.net/secrets/url)", "Key Vault"),
    ],
)
def test_no_url_to_watch(value: str, why: str) -> None:
    """What is no URL is said in words, and nothing is made of it."""
    found = use_of(settings(WEBSITE_RUN_FROM_PACKAGE=value), Catalogue())
    assert isinstance(found, NotWatched)
    assert why in found.reason
    assert isinstance(use_of(settings(), Catalogue()), NotWatched)


def test_the_settings_name() -> None:
    """App Service reads the name in any capitals, and what is written keeps the site's."""
    assert package_setting(settings(Website_Run_From_Package=GITHUB_URL)) == (
        "Website_Run_From_Package",
        Value(GITHUB_URL),
    )
    assert use_of(settings(website_run_from_package=GITHUB_URL), Catalogue()) == located(GITHUB_URL)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        (GITHUB_URL, ""),
        (ONE_URL, ""),
        ("http://a.test/a.zip", "not HTTPS"),
        ("https://a.test/a.exe", ".zip"),
        ("https://user@a.test/a.zip", "user name"),
        ("nonsense", "no URL"),
        ("https://a.test", ".zip"),
    ],
)
def test_unfit_urls(url: str, why: str) -> None:
    """What App Service would not take is told by the URL alone."""
    assert (why in unfit(Value(url))) if why else unfit(Value(url)) == ""


TAKEN = ("prod", "certmaster-beta", "deferred", "custom", "retired")


def test_reading_twins() -> None:
    """Two sets of twins, as the configuration has them."""
    text = f"ours windows {ONE_URL} {TWO_URL} ; linuxes linux {ONE_URL.replace('a.zip', 'l.zip')}"
    first, second = parse_twins(text)
    assert (first.name, first.os, len(first.urls)) == ("ours", Os.WINDOWS, 2)
    assert (second.name, second.os, len(second.urls)) == ("linuxes", Os.LINUX, 1)
    assert parse_twins("") == ()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("ours windows", "a name, windows or linux, and URLs"),
        (f"Ours windows {ONE_URL}", "cannot name twins"),
        *((f"{name} windows {ONE_URL}", "no vendor's channel") for name in TAKEN),
        (f"ours macos {ONE_URL}", "neither windows nor linux"),
        ("ours windows http://a.test/a.zip?sig=hush", "URL 1 of ours: the URL is not HTTPS"),
        (f"ours windows {ONE_URL} {ONE_URL}2", "two URLs at one host"),
    ],
)
def test_twins_that_are_none(text: str, why: str) -> None:
    """Each mistake has its words, and a URL is never in them."""
    with pytest.raises(ValueError, match=why) as caught:
        parse_twins(text)
    assert "hush" not in str(caught.value)


def test_other_places_of_the_vendors_files() -> None:
    """A mirror takes the host's place; the other host stays."""
    hosts = parse_hosts("github=https://mirror.contoso.com/install")
    assert hosts == {**HOSTS, "github": "https://mirror.contoso.com/install/"}
    known = Catalogue(hosts=hosts)
    assert located("https://mirror.contoso.com/install/master/dist/Artifacts.zip", known).host == "github"
    (there,) = {parse_hosts(f"vendor=https://a.test/b{name}")["vendor"] for name in ("", "/")}
    assert there == "https://a.test/b/"
    assert parse_hosts("vendor=https://a.test/b=c")["vendor"] == "https://a.test/b=c/"
    for wrong in ("gitlab=https://a.test/", "github=http://a.test/", "github=https://a.test/?x", "github"):
        with pytest.raises(ValueError, match="github"):
            parse_hosts(wrong)


def test_preferred_hosts() -> None:
    """Regions with their hosts, in any capitals."""
    assert parse_preferred("WestEurope=github, northeurope=Vendor") == {
        "westeurope": "github",
        "northeurope": "vendor",
    }
    assert parse_preferred("west=a=b") == {"west": "a=b"}
    for wrong in ("westeurope", "=github", "westeurope=", "="):
        with pytest.raises(ValueError, match=f"'{wrong}' is not region=host"):
            parse_preferred(wrong)
