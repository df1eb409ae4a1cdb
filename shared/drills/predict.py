"""The predicted length of an outage, from the profile's own figures. Pure.

Traffic Manager is Degraded after one failure more than it tolerates: the phase of its probes, the tolerated ones, and
the timeout of the last (facts: section 1.2). Resolvers keep what they were told for the time to live. What no figure
says is left out: how long Azure takes to carry a change of an endpoint to its name servers.
"""

from shared.drills.model import Predicted
from shared.groups.model import Profile


def predict(profile: Profile) -> Predicted:
    """The worst case for resolvers that honour the time to live."""
    monitor, ttl = profile.monitor, float(profile.ttl)
    detection = float(monitor.interval * (1 + monitor.tolerated_failures) + monitor.timeout)
    return Predicted(orderly=ttl, sudden=detection + ttl, detection=detection, ttl=ttl)


def explained(profile: Profile) -> tuple[str, str]:
    """Return where the two figures come from: of an orderly drain, and of a sudden loss."""
    monitor, found = profile.monitor, predict(profile)
    orderly = f"a time to live of {profile.ttl} s, for a drained endpoint is not answered any more"
    sudden = (
        f"{monitor.interval} s until the next probe, {monitor.tolerated_failures} tolerated failures of "
        f"{monitor.interval} s, {monitor.timeout} s for the last one to fail: {found.detection:g} s; then "
        f"{profile.ttl} s to live"
    )
    return orderly, sudden
