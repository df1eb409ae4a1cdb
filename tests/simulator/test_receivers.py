"""What the simulated Teams workflow, webhook and topic take and refuse, and the page that shows the cards."""

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from simulator.card_page import page
from simulator.pair import a_pair
from simulator.premises import Premises
from simulator.receivers import (
    LARGEST_CARD,
    LARGEST_EVENT,
    RATES,
    Received,
    Refusal,
    card_problem,
    events_of,
    throttled,
)
from simulator.services import admin, event_grid_topic, webhook
from tests.simulator.small_world import running

CARD: dict[str, Any] = {
    "type": "AdaptiveCard",
    "version": "1.4",
    "body": [
        {"type": "TextBlock", "text": "scepman / weu: <fails>", "weight": "Bolder", "color": "Attention"},
        {"type": "FactSet", "facts": [{"title": "Severity", "value": "2"}]},
    ],
    "actions": [{"type": "Action.OpenUrl", "title": "See it", "url": "https://func.test/api/incidents/1"}],
}
EVENT = {"specversion": "1.0", "id": "1", "source": "/counterpart", "type": "Counterpart.Incident.Opened"}


def message(card: Any = CARD, **changes: Any) -> bytes:
    attachment = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": card,
    }
    return json.dumps({"type": "message", "attachments": [attachment], **changes}).encode()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (message(), None),
        (message(CARD | {"version": "1.5"}), None),
        (message(CARD | {"version": "1.6"}), 400),
        (message(CARD | {"version": None}), 400),
        (message(CARD | {"type": "Card"}), 400),
        (message(CARD | {"body": []}), 400),
        (message("card"), 400),
        (message(CARD | {"actions": [{"type": "Action.Submit", "title": "x"}]}), 400),
        (message(type="MessageCard"), 400),
        (message(attachments=[]), 400),
        (message(attachments=[{"contentType": "text/html", "content": CARD}]), 400),
        (b"[]", 400),
        (b"hello", 400),
        (message(note="x" * LARGEST_CARD), 413),
    ],
)
def test_what_a_workflow_takes(body: bytes, status: int | None) -> None:
    """A message with Adaptive Cards that Teams can show, up to 28 KB."""
    problem = card_problem(body)
    assert (problem.status if problem else None) == status


@pytest.mark.parametrize(("most", "seconds"), RATES)
def test_every_rate_is_kept(most: int, seconds: float) -> None:
    """So many posts in so many seconds and no more; a faster world has shorter seconds."""
    spread = [number * seconds / most * 0.99 for number in range(most)]
    alone = [rate for rate in RATES if rate[1] <= seconds]
    refusal = throttled(spread, spread[-1] + 0.001, 1.0)
    assert refusal == Refusal(429, refusal.reason, refusal.retry_after) if refusal else not alone
    assert throttled(spread, seconds * 10 + 100_000, 1.0) is None
    quick = [seconds / 10 for seconds in spread]
    assert bool(throttled(quick, quick[-1] + 0.0001, 10.0)) == bool(refusal)


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        ([EVENT, EVENT], "application/cloudevents-batch+json", 2),
        (EVENT, "application/cloudevents+json", 1),
        (EVENT, "application/json", 400),
        (EVENT, "application/cloudevents-batch+json", 400),
        ([EVENT], "application/cloudevents+json", 400),
        ([EVENT | {"specversion": "0.3"}], "application/cloudevents-batch+json", 400),
        ([EVENT | {"id": ""}], "application/cloudevents-batch+json", 400),
        ([{"specversion": "1.0"}], "application/cloudevents-batch+json", 400),
        ([EVENT | {"data": "x" * LARGEST_EVENT}], "application/cloudevents-batch+json", 413),
    ],
)
def test_what_a_topic_takes(body: Any, kind: str, expected: int) -> None:
    """CloudEvents 1.0 by themselves or in a batch, with what an event must have, up to 1 MB."""
    found = events_of(json.dumps(body).encode(), kind)
    assert (found.status if isinstance(found, Refusal) else len(found)) == expected


async def post(cloud: Premises, kind: str, body: bytes, path: str = "", **headers: str) -> tuple[int, str]:
    """(status, body) of one request to a receiver."""
    receiver = cloud.world.receivers[kind]
    connector = aiohttp.TCPConnector(ssl=cloud.authority.client_context(), force_close=True)
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.post(
            f"https://{receiver.address}:{cloud.https_port}{path or receiver.path}",
            data=body,
            headers={"Host": receiver.host, **headers},
            server_hostname=receiver.host,
        ) as answer,
    ):
        return answer.status, await answer.text()


async def test_a_workflow_over_https(tmp_path: Path) -> None:
    """202 with nothing; a wrong signature, a wrong path and a wrong shape are told; what fits is kept."""
    async with running(a_pair(), tmp_path, webhook.serve) as cloud:
        teams = cloud.world.receivers["teams"]
        assert await post(cloud, "teams", message()) == (202, "")
        assert (await post(cloud, "teams", message(), path=teams.path + "x"))[0] == 401
        assert (await post(cloud, "teams", message(), path="/other?sig=" + teams.secret))[0] == 401
        status, text = await post(cloud, "teams", b"{}")
        assert (status, json.loads(text)["error"]["code"]) == (400, "TriggerInputSchemaMismatch")
        teams.faults.status, teams.faults.retry_after = 503, 7
        assert (await post(cloud, "teams", message()))[0] == 503
    assert [received.body["attachments"][0]["content"] for received in teams.got] == [CARD]
    assert teams.secret not in repr(cloud.world.journal)


async def test_a_workflow_throttles(tmp_path: Path) -> None:
    """The fifth post within a second is refused with a time to wait."""
    async with running(a_pair(), tmp_path, webhook.serve) as cloud:
        cloud.world.clock = lambda: 1000.0
        statuses = [(await post(cloud, "teams", message()))[0] for _ in range(5)]
    assert statuses == [202, 202, 202, 202, 429]


async def test_a_topic_over_https(tmp_path: Path) -> None:
    """The key or a token for Event Grid; the reader has no role; 200 with nothing."""
    async with running(a_pair(), tmp_path, event_grid_topic.serve) as cloud:
        topic = cloud.world.receivers["event-grid"]
        path = topic.path + "?api-version=2018-01-01"
        batch = {"Content-Type": "application/cloudevents-batch+json; charset=utf-8"}
        body = json.dumps([EVENT]).encode()

        def token(who: Any, audience: str) -> str:
            return f"Bearer {cloud.tokens.issue(who, audience, 'https://login.test')[0]}"

        for headers, expected in (
            ({"aeg-sas-key": topic.secret}, 200),
            ({"aeg-sas-key": "wrong"}, 401),
            ({}, 401),
            ({"Authorization": token(cloud.managed_identity, "https://eventgrid.azure.net")}, 200),
            ({"Authorization": token(cloud.managed_identity, "https://vault.azure.net")}, 401),
            ({"Authorization": token(cloud.reader, "https://eventgrid.azure.net")}, 403),
        ):
            assert (await post(cloud, "event-grid", body, path, **batch, **headers))[0] == expected, headers
        assert (await post(cloud, "event-grid", body, **batch, **{"aeg-sas-key": topic.secret}))[0] == 400
    assert [received.body for received in topic.got] == [EVENT, EVENT]


class Text(HTMLParser):
    """A page's words, links and tags."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.links: list[str | None] = []
        self.tags: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name == "href" and tag == "a"]

    def handle_data(self, data: str) -> None:
        self.words += [data.strip()] if data.strip() else []


def test_the_page_shows_the_cards() -> None:
    """Texts, facts and links, the newest card first; nothing in a card is HTML."""
    second = CARD | {"body": [{"type": "TextBlock", "text": "resolved"}]}
    got = [Received(float(at), json.loads(message(card))) for at, card in enumerate((CARD, second))]
    shown = Text(page(got))
    assert "scepman / weu: <fails>" in shown.words
    assert shown.words.index("resolved") < shown.words.index("Severity")
    assert shown.links == ["https://func.test/api/incidents/1"] * 2
    assert "fails" not in shown.tags


def test_what_the_page_cannot_draw_is_named() -> None:
    """Nothing of a card is missing in silence, and a link that is no web address is none."""
    odd = CARD | {
        "body": [
            {"type": "Media"},
            {"type": "ColumnSet", "columns": [{"type": "Column", "items": CARD["body"][:1]}]},
            "text",
        ],
        "actions": [
            {"type": "Action.OpenUrl", "title": "x", "url": "javascript:alert(1)"},
            {"type": "Action.Execute"},
        ],
    }
    shown = Text(page([Received(0.0, json.loads(message(odd)))]))
    assert {"[Media: not drawn here]", "[not an element]", "[Action.Execute: not drawn here]"} <= set(
        shown.words
    )
    assert "scepman / weu: <fails>" in shown.words
    assert shown.links == []


async def test_the_page_is_at_the_admin_face(tmp_path: Path) -> None:
    """Empty at first, then with what came; all of it as JSON beside it, and no address."""
    async with (
        running(a_pair(), tmp_path, webhook.serve, admin.serve) as cloud,
        aiohttp.ClientSession() as session,
    ):

        async def get(path: str) -> str:
            async with session.get(f"{cloud.admin_url}/_world{path}") as answer:
                assert answer.status == 200
                return await answer.text()

        assert "No card came yet" in await get("/cards")
        await post(cloud, "teams", message())
        assert "See it" in await get("/cards")
        told = await get("/told")
        assert len(json.loads(told)["teams"]) == 1
        state = await get("")
        assert json.loads(state)["receivers"]["teams"]["got"] == 1
    for receiver in cloud.world.receivers.values():
        assert receiver.secret not in told + state
