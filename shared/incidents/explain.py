"""The meaning of each cause, what Counterpart does about it, and what is left to the operator. Pure."""

from typing import Final

from shared.groups.classify import AUTHORITY, TABLE
from shared.groups.model import Cause
from shared.incidents.model import EXHAUSTED, HELD, PACKAGE_SETTING, UNREAD, UNTRUSTED, Incident

_CAUSES: Final = {str(item.cause): (item.means, item.we, item.you) for item in (*TABLE, AUTHORITY)}

# What is not of a region's health: what it means, what we do, what is left to a person.
OTHERS: Final = {
    HELD: (
        "a settings change waits for a person; the regions stay different until then",
        "keeps the change where it was made",
        "look at the plan and decide: approve it, take a side, or put the change back",
    ),
    UNREAD: (
        "Azure does not find a region of the profile, or does not let it be read: its settings are not compared",
        "keeps all that was begun and decided as it is, and asks again every minute",
        "restore the site or the permission to read it, or remove its endpoint from the profile",
    ),
    PACKAGE_SETTING: (
        "the region's package setting leads to no package: it cannot start, or would not start again",
        "brings a region that is down to a host that serves what the other regions run, if it may rotate",
        "look who changed WEBSITE_RUN_FROM_PACKAGE; rotate the region, or set a URL that serves the package",
    ),
    EXHAUSTED: (
        "no artifact host serves the region's package: the region runs, but would not come back from a restart",
        "keeps asking every host, and allows nothing that restarts the region",
        "repair a host, or set WEBSITE_RUN_FROM_PACKAGE to one that serves the package",
    ),
    UNTRUSTED: (
        "no artifact host was seen well for long enough: the region runs, and might not come back from a restart",
        "keeps asking every host, brings the region to one that is up, and allows nothing before that restarts it",
        "nothing, unless no host is up by the time that is named; and no restart before that",
    ),
}

_NAMES: Final = {
    Cause.ONE_REGION: "one region",
    Cause.SHARED: "a shared dependency",
    Cause.ARTIFACT_HOST: "the artifact host",
    Cause.AUTHORITY: "different certificate authorities",
    Cause.TLS_OR_NAME: "TLS or the host name",
    Cause.PROBE_PATH: "the probe path only",
    Cause.STOPPED: "stopped, or the plan is below Standard",
    Cause.SETTINGS_CHANGE: "a settings change",
    Cause.UNKNOWN: "not known yet",
    HELD: "a held settings change",
    UNREAD: "a region that cannot be read",
    PACKAGE_SETTING: "the package setting",
    EXHAUSTED: "no artifact host left",
    UNTRUSTED: "no artifact host known to be well",
}


def cause_name(cause: str) -> str:
    """The cause in plain words."""
    return _NAMES.get(cause, cause)


def explained(cause: str) -> tuple[str, str, str]:
    """Return what a cause means, what Counterpart does, what is left to a person."""
    return OTHERS.get(cause) or _CAUSES.get(cause) or _CAUSES[Cause.UNKNOWN]


def told(incident: Incident) -> tuple[str, str, str]:
    """Return the same of an incident, which knows whether Traffic Manager moves the devices of its region."""
    means, we, you = explained(incident.cause)
    if not incident.stays:
        return means, we, you
    if incident.cause == Cause.ONE_REGION:
        means, we = (
            "the region fails, and devices go on being sent to it",
            "watches the region, and moves nothing",
        )
    return f"{means}; {incident.stays}", we, you
