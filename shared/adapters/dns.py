"""DNS asked anew each time, never from what we kept: the port `Names`. Never raises."""

import dns.asyncresolver
import dns.exception
import dns.name
import dns.rdatatype
import dns.resolver

from shared.adapters.failures import translated
from shared.adapters.http import DNS_LIFETIME, DNS_TIMEOUT, LONGEST_CHAIN, nameserver
from shared.clock import Clock
from shared.errors import AppError
from shared.groups.model import NameAnswer


class DnsNames:
    """Asks the configured servers, or the system's; their caches honour the TTL, so what they say is what counts."""

    def __init__(self, dns_servers: tuple[str, ...], clock: Clock) -> None:
        self._servers = dns_servers
        self._clock = clock
        self._resolver: dns.asyncresolver.Resolver | None = None

    async def resolve(self, name: str) -> NameAnswer:
        """The aliases that the name leads along, and the IPv4 addresses at their end."""
        try:
            names, addresses = await self._follow(name)
        except AppError as error:
            return NameAnswer(at=self._clock.now(), problem=str(error))
        return NameAnswer(at=self._clock.now(), names=names, addresses=addresses)

    async def _follow(self, name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """(aliases, addresses). A server may leave the rest of a chain of aliases to us."""
        names: list[str] = []
        with translated(f"resolve {name}"):
            at = dns.name.from_text(name)
            for _ in range(LONGEST_CHAIN):
                answer = await self._made().resolve(at, dns.rdatatype.A, raise_on_no_answer=False)
                chain = answer.chaining_result
                names += [
                    record.target.to_text(omit_final_dot=True) for cname in chain.cnames for record in cname
                ]
                if answer.rrset or chain.canonical_name == at:
                    return tuple(names), tuple(record.address for record in answer.rrset or ())
                at = chain.canonical_name
        return tuple(names), ()

    def _made(self) -> dns.asyncresolver.Resolver:
        """Made when first asked: without servers of ours it reads the system's configuration."""
        if self._resolver is None:
            made = dns.asyncresolver.Resolver(configure=not self._servers)
            if self._servers:
                made.nameservers = [nameserver(text) for text in self._servers]
            made.timeout, made.lifetime = DNS_TIMEOUT, DNS_LIFETIME
            made.cache = None
            self._resolver = made
        return self._resolver
