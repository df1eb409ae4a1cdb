"""Regions that answer from a dictionary: the port Probes."""

from collections.abc import Callable, Mapping

import msgspec

from shared.clock import Clock
from shared.groups.model import ProbeRequest, ProbeResult, ScepProof

type Answer = int | str | ProbeResult | Callable[[], int | str | ProbeResult]  # a text is a problem

CA = "ca" * 32  # the CA that every healthy host proves unless told otherwise


class FakeProbes:
    """Answers by host name.

    `results` gives the probe: an HTTP status, a text (why there was no answer), a whole ProbeResult, or a
    callable that returns one of these. `scep` gives the SCEP proof: a CA's SHA-256, or a whole ScepProof; a
    host without an entry proves `CA` while its probe answers 200. Times come from the clock, whatever the
    entries say.
    """

    def __init__(
        self,
        results: Mapping[str, Answer],
        *,
        clock: Clock,
        scep: Mapping[str, str | ScepProof] | None = None,
    ) -> None:
        self.results = dict(results)
        self.scep = dict(scep or {})
        self.asked: list[tuple[str, str]] = []  # (host, probe | scep)
        self.requests: list[ProbeRequest] = []
        self._clock = clock

    async def get_probe(self, host: str, asked: ProbeRequest) -> ProbeResult:
        """Return what `results` says of the host; an unknown host has no address."""
        self.asked.append((host, "probe"))
        self.requests.append(asked)
        return msgspec.structs.replace(self._probe(host), expected=asked.expected)

    async def get_scep_proof(self, host: str, *, port: int, path: str) -> ScepProof:
        """Return what `scep` says of the host, or a proof of `CA` if the host is well."""
        self.asked.append((host, "scep"))
        now = self._clock.now()
        said = self.scep.get(host, CA)
        if isinstance(said, ScepProof):
            return msgspec.structs.replace(said, at=now)
        probe = self._probe(host)
        if not probe.ok:
            return ScepProof(at=now, problem=probe.problem or f"GetCACert answered {probe.status}")
        return ScepProof(
            at=now, ca_sha256=said, spki_sha256=said[::-1], capabilities=("POSTPKIOperation", "SHA-256")
        )

    def _probe(self, host: str) -> ProbeResult:
        said = self.results.get(host, "the host name does not resolve")
        if callable(said):
            said = said()
        now = self._clock.now()
        match said:
            case int():
                return ProbeResult(at=now, status=said)
            case str():
                return ProbeResult(at=now, problem=said)
            case ProbeResult():
                return msgspec.structs.replace(said, at=now)
