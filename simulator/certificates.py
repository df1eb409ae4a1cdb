"""The certificate authority of the simulated cloud: every HTTPS face shows a certificate of this one CA."""

import ssl
from pathlib import Path

import trustme


class Authority:
    """Issues server certificates for names and addresses; clients trust `bundle_path`."""

    def __init__(self, directory: Path) -> None:
        self._ca = trustme.CA(organization_name="Simulated cloud")
        self._contexts: dict[tuple[str, ...], ssl.SSLContext] = {}
        self.bundle_path = directory / "ca-bundle.pem"
        self._ca.cert_pem.write_to_path(self.bundle_path)

    def server_context(self, *names: str) -> ssl.SSLContext:
        """TLS for a server that answers to these DNS names and IP addresses; made once for each set."""
        wanted = tuple(sorted({name.lower() for name in names}))
        if wanted not in self._contexts:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._ca.issue_cert(*wanted).configure_cert(context)
            self._contexts[wanted] = context
        return self._contexts[wanted]

    def client_context(self) -> ssl.SSLContext:
        """TLS for a client that trusts this CA and nothing else."""
        return ssl.create_default_context(cafile=str(self.bundle_path))
