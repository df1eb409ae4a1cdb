"""Every parser of bytes from outside: how it is called, real inputs to begin with, and the errors that it may raise.

A parser's answer is checked for little here (its own tests do that): it must come, in bounded time and memory, or be
one of the named errors. Called by the tests, by `python -m tests.fuzz`, and by a coverage-guided fuzzer.
"""

import asyncio
import base64
import functools
import json
import struct
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import azure.functions as func
import dns.asyncresolver
import dns.edns
import dns.exception
import dns.message
import dns.nameserver
import dns.rdatatype
import dns.rrset
import msgspec

from cli.environment import variables
from cli.reference import OWN_RULES
from handlers import (
    app_service_changed,
    decision,
    decision_page,
    drill,
    drill_abort,
    drill_report,
    drills,
    incident,
    reconcile_group,
    traffic_manager_alert,
)
from handlers._edge import HTML, JSON, MARKDOWN, STATUSES, answer, preferred, settle
from shared.adapters import app_service as app_service_adapter
from shared.adapters import failures, key_vault, resource_manager, storage_queue
from shared.adapters.dns import DnsNames
from shared.adapters.home_page import parse_version
from shared.adapters.http import nameserver
from shared.adapters.pace import Pace
from shared.adapters.packages import part_of
from shared.artifact_hosts import catalogue, history
from shared.artifact_hosts.catalogue import Catalogue
from shared.artifact_hosts.directory import MoreTail, NotAZip, find_end, read_members
from shared.artifact_hosts.model import SETTING, Packages, Watch
from shared.clock import Compared
from shared.disruption.workflow import Held
from shared.drills import schedule
from shared.drills.model import Archived as ArchivedDrill
from shared.drills.model import Entry, Slot
from shared.errors import BadEvent, NotFound, SettingsError, StalePlan, Unavailable, Unreadable, UnsafePlan
from shared.events import app_service, azure_monitor
from shared.fleet import Errand, written
from shared.fleet import parse as parse_errand
from shared.groups.model import AppSettings, Value
from shared.groups.scep import UnreadableAnswer, parse_ca_certificates, parse_capabilities
from shared.groups.workflow import Watched
from shared.incidents.hold import HoldRow
from shared.incidents.model import Archived as ArchivedIncident
from shared.incidents.model import Ledger
from shared.outbox import Letter
from shared.reconcile.lease import Lease
from shared.settings import FIELDS, Settings
from shared.settings_sync import patch, policy
from shared.settings_sync.model import Rollout
from shared.settings_sync.policy import SHIPPED
from shared.store import Key, Row, Stored, Version, decoded
from shared.words import moment
from tests.builders import a_profile, a_region, a_side, site_id
from tests.fakes.clock import START, FakeClock
from tests.rounds import World

HERE = Path(__file__).parent
PAYLOADS = HERE.parent / "payloads"
CORPUS = HERE / "corpus"
LARGEST = 64 * 1024  # bytes of an input


@dataclass(frozen=True)
class Target:
    """One parser. `run` is given any bytes and raises nothing but `errors`.

    `handled`: it goes through a handler, with a loop and a whole world made for each input. What it parses is a
    target of its own, so the guided fuzzer, which lives on many inputs, is spared these.
    """

    name: str
    run: Callable[[bytes], object]
    seeds: tuple[bytes, ...]
    errors: tuple[type[Exception], ...] = ()
    handled: bool = False
    slow: bool = False

    @property
    def seldom(self) -> bool:
        """Return whether an input takes so long that few are tried."""
        return self.handled or self.slow

    def attempt(self, data: bytes) -> None:
        """Run it; only what is not foreseen is raised."""
        try:
            self.run(data)
        except self.errors:
            return

    @functools.cached_property
    def corpus(self) -> tuple[bytes, ...]:
        """Inputs that once did harm, or are kept because they reach far."""
        return tuple(path.read_bytes() for path in sorted((CORPUS / self.name).glob("*")))


def text(data: bytes) -> str:
    """As the worker decodes what it gets, lone surrogates kept."""
    return data.decode("utf-8", "surrogateescape")


# -- events, messages, bodies -----------------------------------------------------------------------------------


def _payloads(*names: str) -> tuple[bytes, ...]:
    return tuple((PAYLOADS / f"{name}.json").read_bytes() for name in names)


EVENTS = _payloads("app_updated_cloud_event", "app_updated_event_grid", "slot_swap_started")
ALERT = json.dumps(
    {
        "schemaId": "azureMonitorCommonAlertSchema",
        "data": {
            "essentials": {
                "alertId": "/subscriptions/0/providers/Microsoft.AlertsManagement/alerts/1",
                "alertRule": "endpoint-degraded",
                "monitorCondition": "Fired",
                "alertTargetIDs": [a_profile().id.lower()],
                "firedDateTime": "2026-03-02T12:00:00Z",
                "resolvedDateTime": "2026-03-02T12:00:00.123Z",
            },
            "alertContext": {
                "condition": {
                    "allOf": [
                        {
                            "metricName": "ProbeAgentCurrentEndpointStateByProfileResourceId",
                            "dimensions": [{"name": "EndpointName", "value": "west"}],
                        }
                    ]
                }
            },
        },
    }
).encode()
DECISIONS = tuple(
    json.dumps(entry).encode()
    for entry in (
        {
            "group": "scepman",
            "decision": "take",
            "region": "west",
            "keys": ["A", "B:C"],
            "fingerprint": "4f53cda18c2baa0c",
            "reason": "agreed",
            "by": "ada",
        },
        {"group": "scepman", "decision": "restart", "regions": ["west"], "reason": "x"},
        {"incident": "scepman-1-1", "decision": "acknowledge"},
        {"group": "scepman", "decision": "release"},
        {"group": "scepman", "decision": "reject", "fingerprint": "0", "reason": "x"},
    )
)
DRILLS = (
    b'{"group":"scepman","region":"west","observe_seconds":60,"target_rto_seconds":120,"reason":"x","dry_run":true}',
    b'{"group":"scepman","region":"east","reason":"a practice","by":"ada"}',
)
ERRANDS = ((written(Errand(profile=a_profile(), read_at=START)) or "").encode(),)


def _world() -> World:
    world = World()
    world.profiles.profiles = world.profiles.profiles[:1]
    return world


def _event(data: bytes) -> None:
    """An event through its handler and the edge."""
    world = _world()
    asyncio.run(settle(app_service_changed.handle, text(data), lambda: (world.ports, world.settings)))


def _errand(data: bytes) -> None:
    """A queue message through its handler and the edge."""
    world = _world()
    asyncio.run(settle(reconcile_group.handle, text(data), lambda: (world.ports, world.settings)))


def _posted(handle: Any) -> Callable[[bytes], None]:
    """A body through an HTTP handler and the edge: every answer is one that the edge knows."""
    statuses = {200, 202, *(status for _, status, _ in STATUSES)}

    def run(data: bytes) -> None:
        world = _world()
        request = func.HttpRequest("POST", "https://f/api/x", body=data, headers={"Accept": text(data[:40])})
        answered = asyncio.run(answer(handle, request, lambda: (world.ports, world.settings)))
        assert answered.status_code in statuses, answered.get_body()
        msgspec.json.decode(answered.get_body())

    return run


def _signing_in(data: bytes) -> None:
    """A page that is for who is signed in, asked for by somebody who is not, under any URL."""
    lines = data.decode("utf-8", "replace").partition("\n")
    request = func.HttpRequest("GET", lines[0], body=b"", headers={"Accept": lines[2] or "text/html"})
    world = _world()
    said = asyncio.run(
        answer(incident.handle, request, lambda: (world.ports, world.settings), sign_in=True, reading=True)
    )
    assert said.status_code in {302, 401}
    assert said.headers.get("Location", "/").startswith("/")


def _opened(data: bytes) -> None:
    """Every page and list, by an id and a query that anybody may write."""
    world, name = _world(), text(data)
    request = func.HttpRequest(
        "GET", "https://f/api/x", body=b"", params={"group": name}, route_params={"id": name}
    )
    for handle in (incident.handle, decision_page.handle, drill_report.handle, drills.handle):
        said = asyncio.run(answer(handle, request, lambda: (world.ports, world.settings)))
        assert said.status_code in {200, *(status for _, status, _ in STATUSES)}


def _accepted(data: bytes) -> None:
    assert preferred(data.decode("latin-1"), (JSON, HTML, MARKDOWN)) in {JSON, HTML, MARKDOWN}


# -- packages and certificates ----------------------------------------------------------------------------------


def _zip(data: bytes) -> None:
    """The end of a file that is nothing but these bytes, and its directory."""
    end = find_end(data, len(data), most=LARGEST)
    read_members(data[end.offset : end.offset + end.length], end, len(data))


def _zips() -> tuple[bytes, ...]:
    made = []
    for comment, names in ((b"", ["a.dll"]), (b"a comment", ["web.config", "bin/ä.dll", "empty/"])):
        file = BytesIO()
        with zipfile.ZipFile(file, "w") as packed:
            packed.comment = comment
            for name in names:
                with packed.open(name, "w", force_zip64=bool(comment)) as member:
                    member.write(b"content")
        made.append(file.getvalue())
    return (*made, _zip64(made[0]))


def _zip64(plain: bytes) -> bytes:
    """The same with the records of Zip64 before its end record, which says to look there."""
    files, end = plain[:-22], plain[-22:]
    count, length, offset = struct.unpack_from("<10xHII", end)
    record = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, count, count, length, offset)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, len(files), 1)
    return files + record + locator + end[:8] + b"\xff" * 12 + end[20:]


# -- DNS --------------------------------------------------------------------------------------------------------


class _Says(dns.nameserver.Nameserver):
    """A server that answers any question with these bytes, as dnspython reads them from the wire."""

    def __init__(self, wire: bytes) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._wire = wire

    def __str__(self) -> str:
        return "fuzz"

    def kind(self) -> str:
        return "fuzz"

    def is_always_max_size(self) -> bool:
        return True

    def answer_nameserver(self) -> str:
        return "fuzz"

    def answer_port(self) -> int:
        return 53

    async def async_query(
        self, request: dns.message.QueryMessage, *_args: Any, **_more: Any
    ) -> dns.message.Message:
        wire = request.id.to_bytes(2, "big") + self._wire[2:]
        said = dns.message.from_wire(wire, ignore_trailing=False, raise_on_truncation=True)
        if not request.is_response(said):
            raise dns.exception.FormError("no answer to the question")  # type: ignore[no-untyped-call]
        return said


def _dns(data: bytes) -> None:
    names = DnsNames(("127.0.0.1",), FakeClock())
    resolver = names._made()
    resolver.nameservers = [_Says(data)]
    resolver.lifetime = 0.05
    found = asyncio.run(names.resolve("scepman.trafficmanager.net"))
    assert found.names or found.addresses or found.problem or found.problem == ""


def _answers() -> tuple[bytes, ...]:
    made = []
    question = dns.message.make_query("scepman.trafficmanager.net", dns.rdatatype.A)
    for records in (
        [
            "scepman.trafficmanager.net. 30 IN CNAME app-west.azurewebsites.net.",
            "app-west.azurewebsites.net. 30 IN A 192.0.2.1",
        ],
        ["scepman.trafficmanager.net. 30 IN A 192.0.2.1"],
        ["scepman.trafficmanager.net. 30 IN CNAME scepman.trafficmanager.net."],
        [],
    ):
        said = dns.message.make_response(question)
        for record in records:
            name, ttl, _, kind, value = record.split(" ")
            said.answer.append(dns.rrset.from_text(name, int(ttl), "IN", kind, value))
        made.append(said.to_wire())
    return tuple(made)


# -- configuration ----------------------------------------------------------------------------------------------


def _policy(data: bytes) -> None:
    policy.compose(shipped=(), user=policy.parse(data.decode("utf-8", "replace"), "policy.toml"))


def _shipped(name: str) -> bytes:
    """The first rules of a shipped file."""
    whole = (HERE.parents[1] / "shared" / "settings_sync" / name).read_text("utf-8")
    rules = whole.split("[[rule]]")
    return "[[rule]]".join(rules[:4]).replace("fixed = true\n", "").encode()


RIGHT = {
    "COUNTERPART_SUBSCRIPTIONS": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
    "COUNTERPART_FINGERPRINT_KEY": "0123456789abcdef0123456789abcdef",
    "COUNTERPART_VAULT_URL": "https://kv-counterpart.vault.azure.net/",
    "COUNTERPART_STORE": "sqlite:counterpart.sqlite",
}


def _settings(data: bytes) -> None:
    """Lines NAME=value, over a right configuration."""
    lines = (line.partition("=") for line in text(data).splitlines())
    Settings.from_env({**RIGHT, **{name.strip(): value for name, _, value in lines}})


@functools.cache
def _lines() -> bytes:
    return "\n".join(
        f"{field.name}={field.example}"
        for field in FIELDS
        if not set(field.example) & set("< ") and "/home/" not in field.example
    ).encode()


def _lists(data: bytes) -> None:
    """Package lists, each by its own reader, and URLs as sites have them."""
    words = data.decode("utf-8", "replace")
    for parse in (catalogue.parse_twins, catalogue.parse_hosts, catalogue.parse_preferred):
        try:
            parse(words)
        except ValueError:
            continue
    url = Value(words)
    catalogue.unfit(url)
    catalogue.normal(words)
    catalogue.host_of(url)


def _calendar(data: bytes) -> None:
    """What a person writes of practice runs and of when there may be none."""
    words = data.decode("utf-8", "replace")
    for parse in (schedule.schedules, schedule.windows, schedule.dates):
        try:
            parse(words)
        except ValueError:
            continue


def _set_aside(data: bytes) -> None:
    """A message of the poison queue, which anybody with rights to the storage account may have written."""
    parse_errand(storage_queue._decoded(data.decode("utf-8", "replace")))


def _parts(data: bytes) -> None:
    """A copy that lies in several secrets of the vault."""
    words = data.decode("utf-8", "replace")
    assert 0 <= key_vault._count(words) <= key_vault.MOST
    key_vault._join([words], "a-copy")


# -- rows -------------------------------------------------------------------------------------------------------

ROWS: tuple[type[msgspec.Struct], ...] = (
    *(ArchivedDrill, ArchivedIncident, Held, HoldRow, Lease, Ledger, Letter, Packages, Rollout, Slot),
    *(Watch, Watched),
)


def _row(data: bytes) -> None:
    """A row of the store as each of its kinds: another version of Counterpart may have written it."""
    for kind in ROWS:
        try:
            decoded(Stored(Row(Key("a/row"), data), Version("1")), kind)
        except Unreadable:
            continue


def _rows() -> tuple[bytes, ...]:
    location = Catalogue().locate(Value(f"{catalogue.HOSTS['vendor']}dist/Artifacts.zip"))
    line = Entry(at=START, who="schedule", text="practice run skipped: too soon")
    kept: tuple[msgspec.Struct, ...] = (
        Held(),
        Lease(holder="one", until=START),
        Slot(group_id=a_profile().id, group="scepman", considered=START, history=(line,)),
        history.begin(location, START),
    )
    return tuple(msgspec.json.encode(entry) for entry in kept)


def _copy(data: bytes) -> None:
    """What lies in the vault as a region's old values."""
    patch.backward(Value(text(data)), (), a_side({"A": None}, region=a_region()))


def _section(data: bytes) -> None:
    """What Resource Manager answers as a site's settings is written back as it was."""
    read = {name: app_service_adapter.parse_value(item).json for name, item in _read_section(data).items()}
    again = app_service_adapter.parse_section(app_service_adapter.section_json(read))
    assert {name: app_service_adapter.parse_value(item).json for name, item in again.items()} == read


def _read_section(data: bytes) -> Mapping[str, Any]:
    return app_service_adapter.parse_section(text(data))


# -- headers ----------------------------------------------------------------------------------------------------


def _retry_after(data: bytes) -> None:
    wait = failures.asked_wait({"Retry-After": data.decode("latin-1")}, now=START)
    assert wait is None or 0 <= wait <= failures.LONGEST_WAIT


def _date(data: bytes) -> None:
    """What an answer is dated with."""
    compared = Compared(FakeClock())
    compared.heard("host", data.decode("latin-1"), START)
    assert isinstance(compared.wrong, str)


def _signature(data: bytes) -> None:
    """The end of the signature in a package URL, which people are told."""
    url = "https://st.blob.core.windows.net/c/p.zip?sig=x&se=" + data.decode("latin-1")
    until = catalogue.signature_until(AppSettings({SETTING: Value(url)}))
    assert until is None or moment(until)


def _bucket(data: bytes) -> None:
    """What Resource Manager says of what is left."""

    async def hear() -> None:
        bucket = Pace().of("GET", f"https://arm/subscriptions/{text(data)}/x")
        name = "x-ms-ratelimit-remaining-subscription-reads"
        bucket.heard(200, {name: data.decode("latin-1")}, "reads")
        bucket.heard(429, {"Retry-After": data.decode("latin-1")}, "reads")

    asyncio.run(hear())


def _nameservers(data: bytes) -> None:
    nameserver(data.decode("utf-8", "replace"))


TARGETS: tuple[Target, ...] = (
    Target("app-service-event", lambda data: app_service.parse(text(data)), EVENTS, (BadEvent,)),
    Target("app-service-event-handled", _event, EVENTS, handled=True),
    Target("alert", azure_monitor.parse, (ALERT,), (BadEvent,)),
    Target("alert-handled", _posted(traffic_manager_alert.handle), (ALERT,), handled=True),
    Target("decision", decision._decode, DECISIONS, (BadEvent,)),
    Target("decision-handled", _posted(decision.handle), DECISIONS, handled=True),
    Target("drill", drill._decode, DRILLS, (BadEvent,)),
    Target("drill-handled", _posted(drill.handle), DRILLS, handled=True),
    Target(
        "drill-abort",
        drill_abort._decode,
        (b'{"reason":"the auditors are here","by":"ada"}', b""),
        (BadEvent,),
    ),
    Target("drill-abort-handled", _posted(drill_abort.handle), (b'{"reason":"x"}', b" "), handled=True),
    Target(
        "pages-handled",
        _opened,
        (b"scepman-1a2b3c4d5e-drill-7", b"scepman-1a2b3c4d5e-7", b"a.0f"),
        handled=True,
    ),
    Target("sign-in-handled", _signing_in, (b"https://f/api/incidents/a-1\ntext/html;q=0.9",), handled=True),
    Target("accept", _accepted, (b"text/html,application/json;q=0.9,text/markdown;q=0.123,*/*;q=0",)),
    Target("errand", lambda data: parse_errand(text(data)), ERRANDS, (BadEvent,)),
    Target("errand-handled", _errand, ERRANDS, handled=True),
    Target("errand-set-aside", _set_aside, (base64.b64encode(ERRANDS[0]), ERRANDS[0]), (BadEvent,)),
    Target(
        "site-id",
        lambda data: resource_manager.parse_resource_id(text(data)),
        (site_id("west").encode(),),
        (NotFound,),
    ),
    Target("zip-directory", _zip, _zips(), (NotAZip, MoreTail)),
    Target(
        "ca-certificates",
        parse_ca_certificates,
        tuple(path.read_bytes() for path in sorted((HERE / "seeds").iterdir())),
        (UnreadableAnswer,),
    ),
    Target("ca-capabilities", parse_capabilities, (b"AES\nPOSTPKIOperation\r\nSHA-256\n",)),
    Target("dns-answer", _dns, _answers()),
    Target("home-page", parse_version, (b"<p>Version:</b> <span>2.9.1345.0</span>", b"version v1.2 " * 9)),
    Target(
        "policy",
        _policy,
        (OWN_RULES.encode(), *(_shipped(name) for name in SHIPPED)),
        (SettingsError,),
    ),
    Target("settings", _settings, (_lines(),), (SettingsError,), slow=True),
    Target(
        "package-lists",
        _lists,
        (
            b"ours windows https://one.blob.core.windows.net/zip/a.zip https://two.blob.core.windows.net/zip/a.zip",
            b"github=https://mirror.contoso.com/scepman/install/",
            b"westeurope=github,northeurope=vendor",
        ),
    ),
    Target(
        "drill-calendar",
        _calendar,
        (
            b"scepman=30 20 * * MON; *=0 4 1 */2 *",
            b"MON-20:30-21:30,FRI-23:00-01:00",
            b"2026-12-24,2026-12-27..2027-01-02",
        ),
    ),
    Target(
        "env-file",
        lambda data: variables(data, "file"),
        (_lines(), b"\xef\xbb\xbfexport A='b'\n# c\n"),
        (SettingsError,),
    ),
    Target("store-row", _row, _rows()),
    Target(
        "vault-copy-parts",
        _parts,
        (key_vault._split(Value("x" * 30_000))[0].encode(),),
        (Unavailable,),
    ),
    Target(
        "vault-copy",
        _copy,
        (
            b'{"app":[["A","A","1"],["B","B",null]],"connections":[["connectionstrings/C","C","x","Custom"]]}',
            b'{"app":[["A","A",["null"]],["B","B",["\\"\\\\ud800\\""]]],"connections":[]}',
        ),
        (StalePlan, UnsafePlan),
    ),
    Target(
        "config-section",
        _section,
        (
            b'{"properties":{"A":"x","B":null,"C":1.10,"D":{"e":[true]},"F":"\\ud800"}}',
            b'{"properties":null}',
        ),
        (ValueError,),
    ),
    Target("content-range", lambda data: part_of(data.decode("latin-1")), (b"bytes 0-3/812", b"bytes 4-4/5")),
    Target("token-bucket", _bucket, (b"11999", b"30")),
    Target("date", _date, (b"Mon, 02 Mar 2026 12:00:30 GMT", b"Fri, 31 Dec 9999 23:59:59 GMT")),
    Target(
        "signature", _signature, (b"2026-03-02T12%3A00%3A00Z", b"2026-03-02", b"9999-12-31T23:59:59-23:00")
    ),
    Target("retry-after", _retry_after, (b"30", b"Mon, 02 Mar 2026 12:00:30 GMT")),
    Target("dns-servers", _nameservers, (b"10.0.0.4:53", b"[::1]:53", b"::1"), (SettingsError,)),
)
