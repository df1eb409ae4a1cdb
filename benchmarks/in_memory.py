"""Many groups over ports in memory: what is left is the product's own work."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from itertools import count

from shared.artifact_hosts.model import Check
from shared.clock import Clock
from shared.drills.model import ServiceAnswer
from shared.errors import Conflict
from shared.groups.model import (
    ONLY_200,
    AppSettings,
    Endpoint,
    Monitor,
    MonitorStatus,
    NameAnswer,
    Os,
    ProbeRequest,
    ProbeResult,
    Profile,
    ReferenceStatus,
    RegionSettings,
    ScepProof,
    Site,
    StatusRanges,
    Value,
)
from shared.ports import Ports
from shared.settings import Settings
from shared.store import Key, Row, Stored, Version

SUBSCRIPTIONS = tuple(f"00000000-1111-2222-3333-{number:012}" for number in range(10))
SUBSCRIPTION = SUBSCRIPTIONS[0]
BEGAN = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
KEYS = 45  # settings of a site, about as many as SCEPman has


class Hands:
    """A clock that is moved by hand, and ids that count."""

    def __init__(self) -> None:
        self.time = BEGAN
        self._numbers = count(1)

    def now(self) -> datetime:
        """The time it was moved to."""
        return self.time

    async def sleep(self, seconds: float) -> None:
        """Move on."""
        self.time += timedelta(seconds=seconds)

    def new(self) -> str:
        """The next number."""
        return f"{next(self._numbers):032x}"


class Rows:
    """A store by first segments, as Tables has partitions; counts what is asked of it."""

    def __init__(self) -> None:
        self._partitions: dict[str, dict[Key, Stored]] = {}
        self._versions = count(1)
        self.asked: Counter[str] = Counter()

    async def get(self, key: Key) -> Stored | None:
        """The row, or None."""
        self.asked["get"] += 1
        return self._of(key).get(key)

    async def put(self, row: Row, *, if_version: Version | None) -> Version:
        """Write, at the version given only."""
        self.asked["put"] += 1
        self._compare(row.key, if_version)
        version = Version(str(next(self._versions)))
        self._of(row.key)[row.key] = Stored(row, version)
        return version

    async def delete(self, key: Key, *, if_version: Version) -> None:
        """Remove, at the version given only."""
        self.asked["delete"] += 1
        self._compare(key, if_version)
        del self._of(key)[key]

    async def list(self, prefix: str) -> AsyncIterator[Stored]:
        """By prefix, in order."""
        self.asked["list"] += 1
        for key, row in sorted(self._partitions.get(prefix.partition("/")[0], {}).items()):
            if key.startswith(prefix):
                yield row

    def _of(self, key: Key) -> dict[Key, Stored]:
        return self._partitions.setdefault(key.partition("/")[0], {})

    def _compare(self, key: Key, version: Version | None) -> None:
        held = self._of(key).get(key)
        if (held.version if held else None) != version:
            raise Conflict(f"{key}: not at the version that was read")


class Azure:
    """Pairs of healthy sites with the same settings. Counts Resource Manager's calls and the probes.

    The groups are spread over so many `subscriptions`.
    """

    def __init__(self, groups: int, clock: Clock, *, subscriptions: int = 1) -> None:
        self.profiles = [_profile(number, SUBSCRIPTIONS[number % subscriptions]) for number in range(groups)]
        self._in = {
            name: self.profiles[number::subscriptions]
            for number, name in enumerate(SUBSCRIPTIONS[:subscriptions])
        }
        self.calls: Counter[str] = Counter()
        self._clock = clock
        self._same = RegionSettings(
            app=AppSettings({f"AppConfig:Key{number}": Value(f"value {number}") for number in range(KEYS)}),
            connections={},
        )

    async def list_profiles(self, subscription: str) -> tuple[Profile, ...]:
        """All of them, in pages of a hundred."""
        found = self._in[subscription]
        self.calls["profiles"] += max(1, -(-len(found) // 100))
        return tuple(found)

    async def get_site(self, site_id: str) -> Site:
        """A Windows site that runs."""
        self.calls["site"] += 1
        return Site(id=site_id, host=f"{site_id.rsplit('/', 1)[-1]}.test", os=Os.WINDOWS, running=True)

    async def get_settings(self, site_id: str) -> RegionSettings:
        """The same everywhere."""
        self.calls["settings"] += 2
        return self._same

    async def list_references(self, site_id: str) -> tuple[ReferenceStatus, ...]:
        """None."""
        self.calls["references"] += 1
        return ()

    async def get_probe(self, host: str, asked: ProbeRequest) -> ProbeResult:
        """It is up."""
        self.calls["probe"] += 1
        return ProbeResult(at=self._clock.now(), status=200)

    async def get_scep_proof(self, host: str, *, port: int, path: str) -> ScepProof:
        """One CA everywhere."""
        self.calls["proof"] += 1
        return ScepProof(at=self._clock.now(), ca_sha256="ca" * 32, spki_sha256="ac" * 32)

    async def check(self, url: Value, *, known: str = "") -> Check:
        """No package host is asked here."""
        return Check(at=self._clock.now(), problem="not asked")

    async def get_version(self, host: str, *, port: int) -> str:
        """No home page."""
        return ""

    async def resolve(self, name: str) -> NameAnswer:
        """No DNS."""
        return NameAnswer(at=self._clock.now(), problem="not asked")

    async def ask(
        self, host: str, *, port: int, path: str, scep: bool, expected: StatusRanges = ONLY_200
    ) -> ServiceAnswer:
        """No device."""
        return ServiceAnswer(at=self._clock.now(), problem="not asked")

    async def begin_at(self, host: str, addresses: object) -> None:
        """No device."""


class Changes:
    """Whatever changes something: a converged group needs none of it, so it is counted and done by nobody."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Callable[..., Awaitable[None]]:
        async def change(*_what: object, **_more: object) -> None:
            self.asked[name] += 1

        return change


def ports_of(azure: Azure, store: Rows, hands: Hands, changes: Changes | None = None) -> Ports:
    """The outside world in memory."""
    nobody = changes or Changes()
    return Ports(
        clock=hands,
        ids=hands,
        store=store,
        profiles=azure,
        sites=azure,
        probes=azure,
        settings_reads=azure,
        settings_writes=nobody,  # type: ignore[arg-type]
        copies=nobody,  # type: ignore[arg-type]
        control=nobody,  # type: ignore[arg-type]
        packages=azure,
        pages=azure,
        endpoints=nobody,  # type: ignore[arg-type]
        names=azure,
        resolvers={},
        service=azure,
        channels={},
    )


def settings_of(*, subscriptions: int = 1, **more: str) -> Settings:
    """The defaults, for the subscriptions in memory."""
    return Settings.from_env(
        {
            "COUNTERPART_SUBSCRIPTIONS": ",".join(SUBSCRIPTIONS[:subscriptions]),
            "COUNTERPART_FINGERPRINT_KEY": "k" * 48,
            "COUNTERPART_VAULT_URL": "https://kv.vault.azure.net",
            "COUNTERPART_STORE": "sqlite:never-opened.sqlite",
            **more,
        }
    )


def site_id(number: int, region: str, subscription: str = SUBSCRIPTION) -> str:
    """The ARM id of a group's site."""
    return f"{_group(subscription)}/providers/Microsoft.Web/sites/app-{number:05}-{region}"


def _group(subscription: str) -> str:
    return f"/subscriptions/{subscription}/resourceGroups/rg"


def _profile(number: int, subscription: str) -> Profile:
    name = f"scepman-{number:05}"
    return Profile(
        id=f"{_group(subscription)}/providers/Microsoft.Network/trafficManagerProfiles/{name}",
        name=name,
        enabled=True,
        routing="Performance",
        fqdn=f"{name}.trafficmanager.net",
        ttl=30,
        monitor=Monitor(
            protocol="HTTPS", port=443, path="/probe", interval=10, timeout=5, tolerated_failures=3
        ),
        endpoints=tuple(_endpoint(number, name, subscription) for name in ("weu", "neu")),
        tags=(("counterpart", "managed"),),
    )


def _endpoint(number: int, region: str, subscription: str) -> Endpoint:
    return Endpoint(
        name=region,
        type="azureEndpoints",
        target_id=site_id(number, region, subscription),
        target=f"app-{number:05}-{region}.test",
        location=region,
        enabled=True,
        status=MonitorStatus.ONLINE,
    )
