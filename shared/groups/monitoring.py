"""Say how an endpoint is to be probed: by the profile's own criteria, as Traffic Manager does. Pure."""

from shared.groups.model import ProbeRequest, Profile


def probe_request(profile: Profile, endpoint: str) -> ProbeRequest:
    """Return the probe of an endpoint. Its headers stand above the profile's, in any casing."""
    monitor = profile.monitor
    own = [header for item in profile.endpoints if item.name == endpoint for header in item.headers]
    headers = {name.lower(): (name, value) for name, value in (*monitor.headers, *own)}
    return ProbeRequest(
        protocol=monitor.protocol.upper() or "HTTPS",
        port=monitor.port or 443,
        path=monitor.path or "/probe",
        headers=tuple(headers.values()),
        expected=monitor.expected,
    )
