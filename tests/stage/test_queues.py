"""Queue triggers against a queue service, through the real storage SDK."""

import base64
from pathlib import Path
from typing import Any

from aiohttp import web

from simulator.stage import Stage
from tests.stage.queue_service import Message, QueueService, connection_string
from tests.stage.waiting import until

SAMPLE = Path(__file__).parent / "sample_app"


def encoded(text: str) -> Message:
    """A message as the SDKs of .NET and the Functions host write it."""
    return Message(base64.b64encode(text.encode()).decode())


async def test_messages_are_taken_and_bad_ones_set_aside() -> None:
    """A message is deleted after success, tried again after failure, and at last set aside."""
    service = QueueService()
    service.queues["work"] = [encoded("first"), encoded("poison"), Message("not Base64!")]
    runner = web.AppRunner(service.application(), shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    settings = {"SAMPLE_SCHEDULE": "0 0 0 1 1 *", "SAMPLE_STORAGE": connection_string(runner.addresses[0][1])}
    try:
        async with Stage(SAMPLE, settings, quiet=True) as stage:
            await until(lambda: not service.queues["work"])
            messages: list[Any] = (await stage.call("GET", "/api/seen")).json()["on_message"]
    finally:
        await runner.cleanup()
    assert sorted(messages) == [["first", 1], ["not Base64!", 1], ["poison", 1], ["poison", 2]]
    assert [base64.b64decode(each.text) for each in service.queues["work-poison"]] == [b"poison"]
    assert service.unauthorized == 0


async def test_a_queue_that_does_not_exist_yet() -> None:
    """The trigger waits for its queue and starts when it is there."""
    service = QueueService()
    runner = web.AppRunner(service.application(), shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    settings = {"AzureWebJobsSAMPLE_STORAGE": connection_string(runner.addresses[0][1])}
    try:
        async with Stage(SAMPLE, settings, timers=False) as stage:
            service.queues["work"] = [encoded("late")]
            await until(lambda: not service.queues["work"])
            assert (await stage.call("GET", "/api/seen")).json()["on_message"] == [["late", 1]]
            assert not any("a listener ended" in line for line in stage.log_lines)
    finally:
        await runner.cleanup()
