"""The certificate authority of the simulated cloud: every HTTPS face shows a certificate of this one CA."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme


class Authority:
    """Issues server certificates for names and addresses; clients trust `bundle_path`."""

    def __init__(self, directory: Path) -> None:
        self._ca = trustme.CA(organization_name="Simulated cloud")
        self._contexts: dict[tuple[timedelta | None, tuple[str, ...]], ssl.SSLContext] = {}
        self.bundle_path = directory / "ca-bundle.pem"
        self._ca.cert_pem.write_to_path(self.bundle_path)

    def server_context(self, *names: str, expires_in: timedelta | None = None) -> ssl.SSLContext:
        """TLS for a server that answers to these DNS names and IP addresses; made once for each set.

        `expires_in` says for how long the certificate holds from now on, by the real clock; it may be over.
        """
        wanted = expires_in, tuple(sorted({name.lower() for name in names}))
        if wanted not in self._contexts:
            ends = None if expires_in is None else datetime.now(UTC) + expires_in
            begins = None if ends is None else ends - timedelta(days=90)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._ca.issue_cert(*wanted[1], not_before=begins, not_after=ends).configure_cert(context)
            self._contexts[wanted] = context
        return self._contexts[wanted]

    def client_context(self) -> ssl.SSLContext:
        """TLS for a client that trusts this CA and nothing else."""
        return ssl.create_default_context(cafile=str(self.bundle_path))
