"""The outside world on one page: what handlers are handed. Workflows take only what they use."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from shared.artifact_hosts.model import HOSTS
from shared.artifact_hosts.ports import HomePages, PackageReads
from shared.clock import Clock, Compared, Ids
from shared.disruption.ports import AppControl, EndpointControl, SettingsWrites
from shared.drills.ports import ServiceLooks
from shared.fleet import Errands
from shared.groups.ports import Names, Probes, Profiles, Sites
from shared.groups.workflow import Directory
from shared.joining import Joining
from shared.outbox import Channel
from shared.pulse import Pulse
from shared.settings_sync.ports import RollbackCopies, SettingsReads
from shared.store import Recalling, Store


class Identity(Protocol):
    """The identity that is signed in to Azure here."""

    async def name(self) -> str:
        """A person's user principal name, or an application's id. Raises Unavailable: nobody is signed in."""
        ...


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Everything outside. Each field's Protocol says what may be raised."""

    clock: Clock
    ids: Ids
    store: Store
    profiles: Profiles
    sites: Sites
    probes: Probes
    settings_reads: SettingsReads
    settings_writes: SettingsWrites
    copies: RollbackCopies
    control: AppControl
    packages: PackageReads
    pages: HomePages
    endpoints: EndpointControl
    names: Names
    resolvers: Mapping[str, Names]  # those at which drills measure, by name
    service: ServiceLooks
    channels: Mapping[str, Channel]  # where people and programs are told, by name
    identity: Identity | None = None  # None: nobody acts here in a name of their own
    compared: Compared | None = None  # None: nobody says what time it is
    errands: Errands | None = None  # None: there is no queue, so the timer looks at every group itself

    @property
    def wrong_clock(self) -> str:
        """Return why nothing is written here; empty: our clock is right, as far as is known."""
        return self.compared.wrong if self.compared is not None else ""

    @cached_property
    def directory(self) -> Directory:
        """Return whose site an event names; remembered for a moment, for as long as these ports live."""
        return Directory(self.profiles, self.clock)

    @cached_property
    def recalling(self) -> Recalling:
        """The store, with the package hosts' rows remembered for a moment: all groups ask for the same."""
        return Recalling(self.store, f"{HOSTS}/", self.clock)

    @cached_property
    def pulse(self) -> Pulse:
        """Return what this process knows of the timer."""
        return Pulse()

    @cached_property
    def doorbells(self) -> Joining[object]:
        """Rounds that events ask for: a burst of them is one or two."""
        return Joining()
