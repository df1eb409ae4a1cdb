"""How an endpoint is to be probed, from what the profile says."""

from shared.groups.model import Monitor, ProbeRequest, Value
from shared.groups.monitoring import probe_request
from tests.builders import a_profile, an_endpoint

MONITOR = Monitor(
    protocol="http",
    port=8080,
    path="/health?full=1",
    interval=30,
    timeout=10,
    tolerated_failures=3,
    expected=((200, 299), (403, 403)),
    headers=(("Host", Value("scep.contoso.com")), ("X-Probe", Value("all"))),
)


def test_by_the_profiles_criteria() -> None:
    """Protocol, port, path, expected statuses; an endpoint's header stands above the profile's, in any casing."""
    west = an_endpoint("west", headers=(("host", Value("west.contoso.com")), ("X-West", Value("1"))))
    profile = a_profile(west, an_endpoint("east"), monitor=MONITOR)
    asked = probe_request(profile, "west")
    assert (asked.protocol, asked.port, asked.path) == ("HTTP", 8080, "/health?full=1")
    assert asked.expected == ((200, 299), (403, 403))
    assert asked.headers == (
        ("host", Value("west.contoso.com")),
        ("X-Probe", Value("all")),
        ("X-West", Value("1")),
    )
    assert probe_request(profile, "east").headers == MONITOR.headers


def test_what_azure_leaves_out() -> None:
    """SCEPman's probe over HTTPS."""
    bare = Monitor(protocol="", port=0, path="", interval=30, timeout=10, tolerated_failures=3)
    assert probe_request(a_profile(monitor=bare), "west") == ProbeRequest()
