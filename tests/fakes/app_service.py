"""App Service in dictionaries: the ports Sites, SettingsReads and SettingsWrites."""

from collections.abc import Callable, Mapping

from shared.disruption.model import Permit
from shared.errors import NotFound
from shared.groups.model import (
    AppSettings,
    ConnectionString,
    Os,
    ReferenceStatus,
    RegionSettings,
    Site,
    Value,
)

type Hook = Callable[[str], None]  # is given the site's id; raises to make the call fail


def _nothing(_site_id: str) -> None:
    """A hook that lets everything pass."""


class FakeAppService:
    """Sites by ARM id (any case). Tests change `sites` and `connections` directly, or with `edit`.

    A hook `before_put` that raises makes a write fail without effect; `after_put` that raises makes it fail
    after its effect, as a timed-out PUT may. Both may also change `sites`, as a person at the portal would.
    """

    def __init__(
        self,
        sites: Mapping[str, Mapping[str, str]],
        *,
        connections: Mapping[str, Mapping[str, tuple[str, str]]] | None = None,
        references: Mapping[str, Mapping[str, str]] | None = None,
        os: Mapping[str, Os] | None = None,
        hosts: Mapping[str, str] | None = None,
    ) -> None:
        self.sites = {site_id.lower(): dict(values) for site_id, values in sites.items()}
        self.connections = {site_id: dict[str, tuple[str, str]]() for site_id in self.sites}
        self.connections.update({name.lower(): dict(values) for name, values in (connections or {}).items()})
        self.references = {name.lower(): dict(values) for name, values in (references or {}).items()}
        self.os = {name.lower(): os for name, os in (os or {}).items()}
        self.hosts = {name.lower(): host for name, host in (hosts or {}).items()}
        self.stopped: set[str] = set()  # ids, lower case
        self._ids = {site_id.lower(): site_id for site_id in sites}
        self.writes: list[tuple[str, tuple[str, ...]]] = []  # (site id as first given, names that changed)
        self.permits: list[Permit] = []  # of those writes, in their order
        self.restarts: list[tuple[str, Permit]] = []  # site id as first given
        self.reads: list[tuple[str, str]] = []  # (site id, site | settings | references)
        self.before_put: Hook = _nothing
        self.after_put: Hook = _nothing
        self.before_read: Hook = _nothing

    def edit(self, site_id: str, **changes: str | None) -> None:
        """What a person does at the portal: None deletes. Names that are no identifiers: `**{"A:B": "1"}`."""
        values = self.sites[site_id.lower()]
        for name, value in changes.items():
            if value is None:
                values.pop(name, None)
            else:
                values[name] = value

    async def get_site(self, site_id: str) -> Site:
        """The site; its host name is `<name>.azurewebsites.net` unless `hosts` says otherwise."""
        at = self._read(site_id, "site")
        name = at.rsplit("/", 1)[-1]
        return Site(
            id=self._ids[at],
            host=self.hosts.get(at, f"{name}.azurewebsites.net"),
            os=self.os.get(at, Os.WINDOWS),
            running=at not in self.stopped,
            sku="PremiumV3",
        )

    async def get_settings(self, site_id: str) -> RegionSettings:
        """A copy of what the site has now."""
        at = self._read(site_id, "settings")
        return RegionSettings(
            app=AppSettings({name: Value(text) for name, text in self.sites[at].items()}),
            connections={
                name: ConnectionString(Value(text), kind)
                for name, (text, kind) in self.connections[at].items()
            },
        )

    async def list_references(self, site_id: str) -> tuple[ReferenceStatus, ...]:
        """Each setting that is a reference: Resolved, unless `references` says otherwise."""
        at = self._read(site_id, "references")
        said = self.references.get(at, {})
        return tuple(
            ReferenceStatus(name=name, status=said.get(name, "Resolved"))
            for name, text in self.sites[at].items()
            if text.startswith("@Microsoft.KeyVault(")
        )

    async def put_app_settings(self, site_id: str, settings: AppSettings, *, permit: Permit) -> None:
        """Replace all app settings."""
        at = self._known(site_id)
        self.before_put(self._ids[at])
        old, new = self.sites[at], {name: value.raw for name, value in settings.items()}
        self.sites[at] = new
        self._wrote(at, _changed(old, new), permit)

    async def put_connection_strings(
        self, site_id: str, strings: Mapping[str, ConnectionString], *, permit: Permit
    ) -> None:
        """Replace all connection strings."""
        at = self._known(site_id)
        self.before_put(self._ids[at])
        old, new = self.connections[at], {name: (c.value.raw, c.type) for name, c in strings.items()}
        self.connections[at] = new
        self._wrote(at, _changed(old, new), permit)

    async def restart(self, site_id: str, *, permit: Permit) -> None:
        """Note the restart; the hooks of writes hold for it too."""
        at = self._known(site_id)
        self.before_put(self._ids[at])
        self.restarts.append((self._ids[at], permit))
        self.after_put(self._ids[at])

    def _wrote(self, at: str, names: tuple[str, ...], permit: Permit) -> None:
        self.writes.append((self._ids[at], names))
        self.permits.append(permit)
        self.after_put(self._ids[at])

    def _read(self, site_id: str, what: str) -> str:
        at = self._known(site_id)
        self.reads.append((self._ids[at], what))
        self.before_read(self._ids[at])
        return at

    def _known(self, site_id: str) -> str:
        at = site_id.lower()
        if at not in self.sites:
            raise NotFound(f"there is no site {site_id}")
        return at


def _changed[V](old: Mapping[str, V], new: Mapping[str, V]) -> tuple[str, ...]:
    return tuple(sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name)))
