"""Where the product turns text or bytes into something else, and which target of the fuzzing tries it.

Found by the calls that do it (`DECODING`), so a new one must be placed here before the tests pass. What only splits
or matches text by its own hand is not found this way.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PRODUCT = ("function_app.py", "cli", "handlers", "shared")
WRITTEN_HERE = ("cli/reference.py", "cli/samples.py", "cli/deployment_pages.py", "cli/incident_pages.py")
"""They make the documentation out of this repository's own files."""

DECODING = frozenset(
    {
        *("msgspec.json.decode", "msgspec.convert", "tomllib.loads", "json.loads"),
        *("base64.b64decode", "base64.b85decode", "zlib.decompress", "decompress", "struct.unpack_from"),
        *("unpack_from", "decode", "fromisoformat", "strptime", "fromtimestamp", "parsedate_to_datetime"),
        *("urlsplit", "urlparse", "parse_qs", "ip_address", "ip_network", "cert_time_to_seconds"),
        *("load_der_x509_certificate", "load_der_pkcs7_certificates", "from_wire", "from_text"),
        *("int", "float", "read_text", "read_bytes", "literal_eval"),
    }
)
"""Calls by their whole name, or by the last part of it."""

OURS = "what it gets was made here: a number, or text that this very module wrote"

TARGET_OF: dict[str, str] = {
    "cli/environment.py variables": "env-file",
    "handlers/_edge.py _path": "sign-in-handled",
    "handlers/_edge.py preferred": "accept",
    "handlers/decision.py _decode": "decision",
    "handlers/drill.py _decode": "drill",
    "handlers/drill_abort.py _decode": "drill-abort",
    "shared/adapters/app_service.py parse_section": "config-section",
    "shared/adapters/dns.py DnsNames._follow": "dns-answer",
    "shared/adapters/failures.py asked_wait": "retry-after",
    "shared/clock.py Compared.heard": "date",
    "shared/artifact_hosts/catalogue.py signature_until": "signature",
    "shared/adapters/home_page.py parse_version": "home-page",
    "shared/adapters/http.py _is_v6": "dns-servers",
    "shared/adapters/http.py nameserver": "dns-servers",
    "shared/adapters/key_vault.py _count": "vault-copy-parts",
    "shared/adapters/key_vault.py _join": "vault-copy-parts",
    "shared/adapters/pace.py _Bucket.heard": "token-bucket",
    "shared/adapters/packages.py part_of": "content-range",
    "shared/adapters/storage_queue.py _decoded": "errand-set-aside",
    "shared/artifact_hosts/directory.py _end64": "zip-directory",
    "shared/artifact_hosts/directory.py _locator": "zip-directory",
    "shared/artifact_hosts/directory.py _members": "zip-directory",
    "shared/artifact_hosts/directory.py _name": "zip-directory",
    "shared/artifact_hosts/directory.py _zip64": "zip-directory",
    "shared/artifact_hosts/directory.py find_end": "zip-directory",
    "shared/drills/schedule.py _minutes": "drill-calendar",
    "shared/drills/schedule.py _number": "drill-calendar",
    "shared/drills/schedule.py dates": "drill-calendar",
    "shared/events/app_service.py parse": "app-service-event",
    "shared/events/azure_monitor.py _data": "alert",
    "shared/fleet.py parse": "errand",
    "shared/groups/scep.py _certificates": "ca-certificates",
    "shared/groups/scep.py parse_capabilities": "ca-capabilities",
    "shared/settings.py _amount": "settings",
    "shared/settings.py _count.convert": "settings",
    "shared/settings.py _duration.convert": "settings",
    "shared/settings.py _networks": "settings",
    "shared/settings_sync/patch.py _from_copy": "vault-copy",
    "shared/settings_sync/patch.py backward": "vault-copy",
    "shared/settings_sync/policy.py parse": "policy",
    "shared/store.py decoded": "store-row",
}

NO_TARGET: dict[str, str] = {
    "cli/environment.py parse": "reads the file, whose content goes to `variables`",
    "cli/incidents.py _row": OURS,
    "cli/running.py run": OURS,
    "cli/show.py json_text": OURS,
    "function_app.py reconcile_group": "replaces what is no text; what comes out is the target `errand`",
    "shared/adapters/credentials.py _claims": "any text has claims, or none (tests/adapters/test_credentials.py)",
    "shared/adapters/event_grid_topic.py EventGridTopic.send": "facts out of a letter that was read as JSON",
    "shared/adapters/failures.py _request": "the URL is the one that we asked",
    "shared/adapters/http.py ServerResolver._ask": "the name is ours; the answer is read as in `dns-answer`",
    "shared/adapters/http.py comparing": "the URLs are of our settings; the date is read as in `date`",
    "shared/adapters/http.py _is_local": "any text is an answer; an address is looked for, and none is one too",
    "shared/adapters/key_vault.py _split": OURS,
    "shared/adapters/packages.py": "two constants",
    "shared/adapters/packages.py _Judging.judge": "a resolver's answer; what is no address is refused",
    "shared/adapters/packages.py _Seeing.connect": "a time as OpenSSL writes it; what is none is no package",
    "shared/adapters/packages.py _meant": OURS,
    "shared/adapters/storage_queue.py StorageQueueErrands.send": OURS,
    "shared/drills/predict.py predict": OURS,
    "shared/drills/workflow.py recoveries": "the number in a drill's own id",
    "shared/drills/report.py chart": OURS,
    "shared/fleet.py written": OURS,
    "shared/incidents/card.py _facts": OURS,
    "shared/incidents/render.py _csv_row": OURS,
    "shared/incidents/render.py _summary": OURS,
    "shared/incidents/render.py incident_facts": OURS,
    "shared/incidents/workflow.py _message": OURS,
    "shared/pages.py _ticks": OURS,
    "shared/groups/routing.py _families": "any text is a target; an address is looked for, and none is one too",
    "shared/reconcile/summary.py _attention": OURS,
    "shared/reconcile/summary.py summary_facts": OURS,
    "shared/settings.py _policy": "the file's text goes to `policy`; what is no UTF-8 is a problem of the setting",
    "shared/settings_sync/patch.py copied": OURS,
    "shared/words.py clipped": "what it cuts in half is left out",
}


@dataclass(frozen=True)
class Place:
    """A function in which something is decoded, by its file and its name there."""

    file: str
    name: str  # empty: outside of any function

    def __str__(self) -> str:
        return f"{self.file} {self.name}".rstrip()


def places() -> set[Place]:
    """Every function of the product that decodes."""
    files = [file for top in PRODUCT for file in _files(ROOT / top)]
    named = ((file.relative_to(ROOT).as_posix(), file) for file in files)
    return {
        Place(name, function)
        for name, file in named
        if name not in WRITTEN_HERE
        for function in _decoding(ast.parse(file.read_text("utf-8")), ())
    }


def _files(top: Path) -> Iterator[Path]:
    return top.rglob("*.py") if top.is_dir() else iter((top,))


def _decoding(node: ast.AST, inside: tuple[str, ...]) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        within = inside
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            within = (*inside, child.name)
        if isinstance(child, ast.Call):
            called = ast.unparse(child.func)
            if DECODING & {called, called.rsplit(".", 1)[-1]}:
                yield ".".join(inside)
        yield from _decoding(child, within)
