"""What a card's links lead to: JSON for programs, a plain page for people, and never a value."""

from collections.abc import Mapping
from html.parser import HTMLParser

import azure.functions as func
import msgspec
import pytest

from handlers import decision, decision_page, incident
from handlers._edge import Answering, Asked, answer
from shared.errors import BadEvent, IllegalTransition, NotFound
from shared.groups.discover import row_name
from tests.incidents.watching import Watched
from tests.rounds import SECRET, val

NO_ICON = "data:,"  # so that a browser asks for none
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


class Reader(HTMLParser):
    """The text of a page, and whether every tag is closed."""

    void = frozenset({"meta", "br", "link"})

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.open: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in {"href", "src"}]
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(html: bytes) -> Reader:
    reader = Reader()
    reader.feed(html.decode())
    assert reader.open == []
    return reader


async def get(
    handle: Answering, world: Watched, id_: str, headers: Mapping[str, str] | None = None
) -> func.HttpResponse:
    request = func.HttpRequest(
        "GET", "https://x.test/api/it", headers=dict(headers or {}), route_params={"id": id_}, body=b""
    )
    return await answer(handle, request, lambda: (world.ports, world.settings))


async def troubled() -> Watched:
    """An incident of a region, and a held settings change."""
    world = Watched({"K00": val("old"), "K<b>": val()})
    await world.minute(2)
    world.edit("west", K00=val("w"))
    world.edit("east", K00=val("e"))
    await world.tick(doorbell=True)
    world.sick("west")
    await world.minute(3)
    return world


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("text/html, application/json", "application/json"),
        ("text/html;q=0.5, application/json;q=0.9", "application/json"),
        ("text/html;q=nonsense", "application/json"),
        (BROWSER, "text/html"),
        ("text/html", "text/html"),
    ],
)
async def test_by_accept(accept: str | None, kind: str) -> None:
    """Who would rather have a page gets one; everybody else gets JSON."""
    world = await troubled()
    id_ = (await world.incidents())[0].id
    got = await get(incident.handle, world, id_, {"Accept": accept} if accept else None)
    assert (got.status_code, got.mimetype) == (200, kind)


async def test_an_incident() -> None:
    """As JSON and as a page: the same facts, nothing loaded from anywhere, no value."""
    world = await troubled()
    (found,) = [item for item in await world.incidents() if item.region == "west"]
    facts = msgspec.json.decode((await get(incident.handle, world, found.id)).get_body())
    assert facts["id"] == found.id
    assert facts["stage"] == "mitigated"
    assert facts["measures"]["seconds_to_detect"] >= 0
    got = await get(incident.handle, world, found.id, {"Accept": BROWSER})
    page = read(got.get_body())
    assert found.id in page.text
    assert "Timeline" in page.text
    assert all(name in page.text for name in found.evidence)
    assert page.links == [NO_ICON]
    assert "default-src 'none'" in got.headers["Content-Security-Policy"]
    assert SECRET not in got.get_body().decode()
    assert SECRET not in repr(facts)


async def test_a_decision() -> None:
    """The plan of the link, the way out, and the commands with its fingerprint."""
    world = await troubled()
    rollout = await world.rollout()
    assert rollout.plan is not None
    id_ = f"{row_name(world.profile_id)}.{rollout.plan.fingerprint}"
    facts = msgspec.json.decode((await get(decision_page.handle, world, id_)).get_body())
    assert facts["asked_for"] == facts["plan"]["fingerprint"] == rollout.plan.fingerprint
    page = read((await get(decision_page.handle, world, id_, {"Accept": BROWSER})).get_body())
    assert "K00" in page.text
    assert f"--take west --all --fingerprint {rollout.plan.fingerprint}" in page.text
    assert SECRET not in page.text
    assert SECRET not in repr(facts)


async def test_a_decision_offers_only_what_can_be_asked() -> None:
    """A conflict is not let travel, a side is taken; a contained change may be put back, or forced."""
    conflict = await offered(await troubled())
    assert "counterpart resolve" in conflict
    assert "counterpart apply" not in conflict
    bad = Watched({"K00": val("old")})
    await bad.minute(2)
    bad.edit("west", K00=val("bad"))
    bad.sick("west")
    await bad.tick(doorbell=True)
    await bad.minute(20)
    contained = await offered(bad)
    assert "--force --reason TEXT" in contained
    assert "counterpart revert" in contained


async def offered(world: Watched) -> str:
    rollout = await world.rollout()
    assert rollout.plan is not None
    id_ = f"{row_name(world.profile_id)}.{rollout.plan.fingerprint}"
    page = read((await get(decision_page.handle, world, id_, {"Accept": BROWSER})).get_body())
    return page.text.partition("What can be done")[2]


async def test_a_decision_that_is_another_one_by_now() -> None:
    """It is said, and the present plan is shown."""
    world = await troubled()
    id_ = f"{row_name(world.profile_id)}.0000000000000000"
    page = read((await get(decision_page.handle, world, id_, {"Accept": BROWSER})).get_body())
    assert "You asked for plan 0000000000000000" in page.text


@pytest.mark.parametrize("handle", [incident.handle, decision_page.handle])
@pytest.mark.parametrize("id_", ["", "nobody-1", "x", "../../etc/passwd", "<script>", "%00", "a" * 5000])
async def test_nothing_there(handle: Answering, id_: str) -> None:
    """404 with a problem body, whatever is asked for."""
    got = await get(handle, await troubled(), id_)
    assert got.status_code == 404
    assert got.mimetype == "application/problem+json"
    assert len(got.get_body()) < 1000


async def test_what_is_shown_is_escaped() -> None:
    """A name with markup in it is text."""
    world = await troubled()
    (found,) = [item for item in await world.incidents() if item.region == "west"]
    body = {
        "incident": found.id,
        "decision": "acknowledge",
        "by": "<img src=x>",
        "reason": "<script>1</script>",
    }
    asked = Asked(body=msgspec.json.encode(body), person="")
    await decision.handle(asked, ports=world.ports, settings=world.settings)
    raw = (await get(incident.handle, world, found.id, {"Accept": BROWSER})).get_body().decode()
    assert "<script>" not in raw
    assert "<img" not in raw
    assert "&lt;script&gt;" in raw


async def test_acknowledging_over_http() -> None:
    """The platform's sign-in says who; a second one gets 409; unknown fields and ids are refused."""
    world = await troubled()
    (found,) = [item for item in await world.incidents() if item.region == "west"]

    async def post(person: str = "", **body: object) -> dict[str, object]:
        asked = Asked(body=msgspec.json.encode(body), person=person)
        answered = await decision.handle(asked, ports=world.ports, settings=world.settings)
        return dict(answered.body)

    facts = await post("ada@contoso.com", incident=found.id, decision="acknowledge")
    assert facts["acknowledged_by"] == "ada@contoso.com"
    with pytest.raises(IllegalTransition):
        await post(incident=found.id, decision="acknowledge")
    with pytest.raises(NotFound):
        await post(incident="scepman-0000000000-1", decision="acknowledge")
    with pytest.raises(BadEvent):
        await post(incident=found.id, decision="acknowledge", surprise=1)
    with pytest.raises(IllegalTransition):
        await post(group="scepman", decision="release")
