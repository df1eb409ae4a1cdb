"""Package hosts and home pages in dictionaries: the ports PackageReads and HomePages."""

from collections.abc import Callable, Mapping

from shared.artifact_hosts.model import Check, Package
from shared.clock import Clock
from shared.groups.model import Value

A_PACKAGE = Package(digest="a" * 64, members=3, size=1000, sketch=(1, 2, 3))


def _nothing(_url: str) -> None:
    """A hook that lets everything pass."""


class FakePackages:
    """What lies at each URL: a package, or a text that says why there is none. Unlisted URLs hold `A_PACKAGE`.

    The entity tag is the package's digest. `checked` lists the calls: (URL, known tag).
    """

    def __init__(self, clock: Clock, lying: Mapping[str, Package | str] | None = None) -> None:
        self.lying = dict(lying or {})
        self.checked: list[tuple[str, str]] = []
        self.before: Callable[[str], None] = _nothing
        self._clock = clock

    async def check(self, url: Value, *, known: str = "") -> Check:
        """Look at what lies there."""
        text = url.reveal()
        self.checked.append((text, known))
        self.before(text)
        now = self._clock.now()
        found = self.lying.get(text, A_PACKAGE)
        if isinstance(found, str):
            return Check(at=now, problem=found)
        if known == found.digest:
            return Check(at=now, unchanged=True, etag=known, status=304)
        return Check(at=now, package=found, etag=found.digest, status=206, bytes_read=20_000)


class FakeHomePages:
    """Versions by host name; a host without an entry shows none."""

    def __init__(self, versions: Mapping[str, str] | None = None) -> None:
        self.versions = dict(versions or {})
        self.asked: list[str] = []

    async def get_version(self, host: str, *, port: int) -> str:
        """Return what `versions` says."""
        self.asked.append(host)
        return self.versions.get(host, "")
