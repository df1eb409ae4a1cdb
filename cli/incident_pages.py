"""docs/incidents.md and the cards in docs/cards, written from the product's own tables, cards and rules."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final

import msgspec

from cli.pictures import picture
from cli.samples import cards
from shared.cards import LARGEST, Card, adaptive, message
from shared.groups.classify import AUTHORITY, TABLE, Explained
from shared.incidents.card import runbook
from shared.incidents.explain import OTHERS, cause_name
from shared.incidents.hold import SHARES, HoldRules
from shared.incidents.transitions import SEVERITIES, STAGES, Rules
from shared.outbox import BURST, DIGEST_EVERY, GIVE_UP_AFTER
from shared.words import spoken

_PAGE: Final = """\
# Incidents

This page is written from the product's own tables and cards by `python -m cli.reference`; a test compares them.

Traffic Manager raises no event when it takes a region out of DNS, keeps no record of it, and fails back by
itself. Counterpart looks every minute, takes Azure Monitor's alerts and App Service's events as evidence, and
makes **one incident for each region and matter**: classified, told once per state, measured, and closed by
itself.

## What a failure is

For a region in trouble the rows are tried in this order; the first that fits names the cause. Each look
classifies anew, and an incident keeps the cause of its worst moment (`tests/product/test_incidents.py` brings every
row about in the simulator). The evidence of every change is kept: each
region's probe, SCEP proof and Traffic Manager status, in words.

| cause | when | what it means | what Counterpart does | what is left to you | runbook |
|---|---|---|---|---|---|
{causes}

Not of one region's health, and always of severity 3:

| cause | what it means | what Counterpart does | what is left to you | runbook |
|---|---|---|---|---|
{others}

The **SCEP proof** asks every region on its own default host name, never through Traffic Manager: GetCACaps and
GetCACert, with and without the optional `message`. It compares the SHA-256 of the CA certificate and of its
public key, reads one certificate (DER) and a certs-only CMS message, and tells registration authorities from
the CA, for they may differ between servers of one CA.

## Life

| stage | what it means |
|---|---|
{stages}

**Confirmed** means that two witnesses agree: our own probe and Traffic Manager, or our own look and an alert;
or that our own look has said so for {confirm} (`COUNTERPART_CONFIRM_AFTER`). An alert that nobody confirms is
told after {patience} all the same, for our own look may be the blind one. **Acknowledging** is beside the
stages; it stops the clock of the time to acknowledge. What comes back within {flap} (`COUNTERPART_FLAP_WINDOW`)
is the same incident, and *resolved* is told only when a region has stayed well for so long. Taking an endpoint
out of service on purpose ends its incident when its app answers; one that still fails keeps it until it answers
or leaves the profile. What a drill takes out, and a stumble while a write of ours restarts a region, opens none.

| severity | what it means |
|---|---|
{severities}

An incident is [derived from facts](decisions/0010-incidents-from-facts.md) (an alert, a look, a person's word),
each kept once. Alerts and looks may come in any order, late, repeated or contradicting each other: the same
facts make the same incident. Its times never go back from one stage to the next.

## What is measured

| measure | from | until |
|---|---|---|
| MTTD, time to detect | the first moment at which anybody saw it | Counterpart knew |
| MTTA, time to acknowledge | Counterpart knew | a person took it on |
| time to mitigation | the first moment | the profile's DNS name no longer led to the region |
| MTTR, time to resolve | the first moment | the region was well again, by our own look |

`counterpart incidents list` shows them with their means, `export --format csv` gives one line per incident, and
`export ID` the beginning of a post-mortem in Markdown ([cli.md](cli.md)).

## What people are told

Cards go to a Teams workflow (`COUNTERPART_TEAMS_WEBHOOK`), the same facts as JSON to any address
(`COUNTERPART_WEBHOOK`), and as CloudEvents 1.0 to an Event Grid custom topic (`COUNTERPART_EVENT_GRID_TOPIC`;
types `Counterpart.Incident.Opened` and so on). A message is sent as soon as it is written, beside the work that
wrote it. Each is sent **once per incident and state**. When more than {burst} cards would come within an hour,
a digest comes instead, every {every} at most, the worst first. Severity 1 never waits for a digest. A message
that is refused is tried again with growing pauses, and given up after {give_up}: that is an error in the log, a
line in `counterpart incidents list`, and one in the incident's timeline. A message without an answer counts as
perhaps delivered: it is sent once more, with a line that it may be a repeat, and other messages do not wait for
it. The JSON address gets it until it answers, with the same `Idempotency-Key`.

Where a late alert shows that two incidents are one, it has one id more, and a second
end is told if the first had been told before.

Runbooks: [many messages in one](runbooks/digest.md), [a message could not be told](runbooks/not-told.md); those
of the causes are in the tables above.

The addresses of the two webhooks are secrets: whoever has one can post. Give them as Key Vault references. They
are in no row, no log and no error.

Links lead to `/api/incidents/{{id}}` and `/api/decisions/{{id}}` under `COUNTERPART_BASE_URL`; both answer
JSON, or a plain page to who accepts HTML rather. They want a function key like every other route; put a sign-in
in front that adds it, or follow the commands in the card instead.

Each card as it is posted, drawn from its own JSON (beside the picture; at most {largest} KB):

{cards}

## The failback hold

Off by default (`COUNTERPART_FAILBACK_HOLD=on`). Traffic Manager fails back at the first good probe. With the
hold, the endpoint of a confirmed failure of **one region** is disabled, if law 1 grants a permit and another
endpoint is answered to its devices instead at that very moment ([the rule](#whether-traffic-moves)).
It is enabled again when the region's own probe and SCEP proof have been good for {soak}
(`COUNTERPART_FAILBACK_SOAK`), when a person says so (`counterpart incidents
release`), or at once when it answers and no other region does. With weighted routing it comes back with
{shares} of its weight, {step} apart and only while it is sound. Who enables the endpoint, or sets its weight,
by hand has ended the hold. Counterpart's identity needs
`Microsoft.Network/trafficManagerProfiles/azureEndpoints/write`.

## Whether traffic moves

Drills, the failback hold and the permit ask one rule before an endpoint is taken out: will the other endpoints be
answered to the devices of this one? Another endpoint, of any type, counts when it is enabled and Traffic Manager
calls it Online or Unmonitored.

| routing | the others are answered |
|---|---|
| Performance, Priority, Weighted | yes |
| MultiValue | when they have an address of the same kind (IPv4, IPv6, a name) |
| Geographic | when each place of the endpoint lies in a place of theirs: the same, its country, or `WORLD` |
| Subnet, and a method of a later Azure | no: who answers the subnets of a disabled endpoint is not documented |

It is no as well when a profile above this one (in the same subscription) wants more child endpoints available than
would be left: `minChildEndpoints`, `minChildEndpointsIPv4`, `minChildEndpointsIPv6`. Source: Microsoft's pages
*Traffic Manager routing methods*, *endpoint monitoring*, *nested profiles*.

An incident says **traffic will not move**, and what to do, when Traffic Manager goes on answering a region that
fails: the endpoint has `alwaysServe`, so that it is not probed, or the routing is Geographic or Subnet.

## Alerts from Azure Monitor

They are faster than the timer by up to a minute and a second witness beside it. Make a metric alert on the
profile: metric `ProbeAgentCurrentEndpointStateByProfileResourceId`, Average below 0.5, split by `EndpointName`,
every minute; with an action group whose webhook is `POST /api/alerts/traffic-manager` with a function key and
the **common alert schema** turned on; [the templates](deploy.md) do so. A rule that is not split by endpoint only
wakes Counterpart up.

The answer is 2xx only when the alert is safely in the store; 503 when it is not, which the action group tries
again. An alert resolves minutes after the region is well; if Counterpart saw it well before, the alert's end is
a line in the timeline. Alerts of other schemas or metrics, from before two hours ago, or too large, get a problem
body (422); alerts about profiles that are not watched are acknowledged and change nothing.

## Try it

`make run` starts a simulated pair with a Teams workflow, a webhook, a topic and Azure Monitor, and prints what to
type. With ADMIN for the address that it prints as *the world*:

```sh
curl -X POST ADMIN/faults -d '{{"sites": {{"app-scepman-weu": {{"down": true}}}}}}'      # or flapping, slow, tls, ...
curl -X POST ADMIN/faults -d '{{"shared": {{"key_vault": true}}}}'                       # what all regions stand on
curl -X POST ADMIN/site -d '{{"site": "app-scepman-weu", "state": "Stopped"}}'         # or "tier": "Basic"
curl -X POST ADMIN/faults -d '{{"receivers": {{"teams": {{"status": 503}}}}}}'           # nobody can be told
```

`ADMIN/cards` shows the cards as Teams got them, `ADMIN/told` what programs got; `python -m simulator --help` has the
other faults.
"""


def incidents_page() -> str:
    """docs/incidents.md."""
    rules, hold = Rules(), HoldRules()
    return _PAGE.format(
        causes="\n".join(_row(explained) for explained in TABLE),
        others="\n".join(_others()),
        stages="\n".join(f"| {stage} | {sentence} |" for stage, sentence in STAGES.items()),
        severities="\n".join(
            f"| {int(severity)} | {sentence} |" for severity, sentence in SEVERITIES.items()
        ),
        confirm=spoken(rules.confirm),
        patience=spoken(rules.patience),
        flap=spoken(rules.flap),
        burst=BURST,
        every=spoken(DIGEST_EVERY.total_seconds()),
        give_up=spoken(GIVE_UP_AFTER.total_seconds()),
        largest=LARGEST // 1024,
        soak=spoken(hold.soak),
        step=spoken(hold.step),
        shares=", ".join(f"{share:.0%}" for share in SHARES),
        cards="\n\n".join(
            f"![{card.title}](cards/{name}.svg) [JSON](cards/{name}.json)" for name, card in cards().items()
        ),
    )


def _row(it: Explained) -> str:
    cells = (f"**{cause_name(it.cause)}** (`{it.cause}`)", it.when, it.means, it.we, it.you, _link(it.cause))
    return f"| {' | '.join(cells)} |"


def _others() -> Iterator[str]:
    told = {str(AUTHORITY.cause): (AUTHORITY.means, AUTHORITY.we, AUTHORITY.you), **OTHERS}
    for cause, (means, we, you) in told.items():
        cells = (f"**{cause_name(cause)}** (`{cause}`)", means, we, you, _link(cause))
        yield f"| {' | '.join(cells)} |"


def _link(cause: str) -> str:
    return f"[{cause}]({runbook(cause).removeprefix('docs/')})"


def _json(card: Card) -> str:
    """The very bytes that are posted, indented."""
    return msgspec.json.format(message(card)).decode() + "\n"


def _picture(card: Card) -> str:
    return picture(adaptive(card))


def card_pages() -> Mapping[str, Callable[[], str]]:
    """Each card's JSON and picture, by file name under docs/."""
    found: dict[str, Callable[[], str]] = {}
    for name, card in cards().items():
        found[f"cards/{name}.json"] = partial(_json, card)
        found[f"cards/{name}.svg"] = partial(_picture, card)
    return found
