"""`make demo` plays the scenes and exits non-zero if one does not end as it should; `make run` stays up."""

import argparse
import asyncio
import contextlib
import signal
import sys
from pathlib import Path

from shared.settings_sync.model import State
from simulator.demo.scenes import SCENES, Scene
from simulator.demo.telling import Teller
from simulator.demo.theatre import SceneFailed, Theatre, operator_env, theatre


async def play(teller: Teller, scenes: tuple[Scene, ...], *, keep: Path | None = None) -> int:
    """Play the scenes in a world of their own; the number that passed. `keep`: where a report is kept."""
    async with theatre(teller) as on:
        on.keep = keep
        return await play_all(on, scenes)


async def play_all(on: Theatre, scenes: tuple[Scene, ...]) -> int:
    """Play the scenes in this world, one after another; the number that passed."""
    on.teller.say(f"a simulated pair is up behind {on.domain}; the function app runs at {on.stage.url}")
    await on.until_state(State.CONVERGED)
    return sum([await _one(on, scene, number, len(scenes)) for number, scene in enumerate(scenes, start=1)])


async def _one(on: Theatre, scene: Scene, number: int, of: int) -> bool:
    on.teller.title(number, of, scene.name, scene.about)
    before = len(on.failed)
    try:
        async with asyncio.timeout(60):
            await scene.play(on)
            await on.until_state(State.CONVERGED)
    except (SceneFailed, TimeoutError) as error:
        on.fail(str(error) or "the scene took longer than a minute")
        for line in list(on.stage.log_lines)[-10:]:
            on.teller.say(f"log: {line}")
    return len(on.failed) == before


async def stay(teller: Teller) -> None:
    """Keep the world up until it is interrupted."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with theatre(teller, on_log=lambda line: teller.say(line) if " shared." in line else None) as on:
        file = on.cloud.directory / "operator.env"
        file.write_text(
            "".join(f"export {name}='{value}'\n" for name, value in operator_env(on.cloud).items())
        )
        edit = f'{{"site": "{on.sites[0].name}", "set": {{"AppConfig:OCSP:Note": "1"}}}}'
        teller.say(f"the function app     {on.stage.url}/api/health   (function key: {on.stage.key})")
        teller.say(f"Resource Manager     {on.cloud.arm_url}")
        teller.say(f"the world, to look   {on.cloud.admin_url}/_world")
        teller.say(f"the cards of Teams   {on.cloud.admin_url}/_world/cards   (for a browser)")
        lose = f'{{"sites": {{"{on.sites[0].name}": {{"down": true}}}}}}'
        teller.say(f"to lose a region     curl -X POST {on.cloud.admin_url}/_world/faults -d '{lose}'")
        teller.say(f"to change a setting  curl -X POST {on.cloud.admin_url}/_world/edit -d '{edit}'")
        teller.say(f"the command line     .venv/bin/counterpart status --env-file {file}")
        teller.say(f"what failed          .venv/bin/counterpart incidents list --env-file {file}")
        teller.say("stop with Ctrl-C")
        await stop.wait()


def main() -> int:
    """Parse, run, say how it ended."""
    parser = argparse.ArgumentParser(prog="python -m simulator.demo", description=__doc__)
    parser.add_argument(
        "--stay", action="store_true", help="stay up and print the URLs instead of playing scenes"
    )
    parser.add_argument(
        "--scene", type=int, action="append", help="play only this scene (by number; repeatable)"
    )
    parser.add_argument("--keep", type=Path, help="a directory for the drill's report, as in docs/")
    asked = parser.parse_args()
    teller = Teller()
    if asked.stay:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(stay(teller))
        return 0
    wrong = [number for number in asked.scene or () if not 1 <= number <= len(SCENES)]
    if wrong:
        parser.error(f"there is no scene {wrong[0]}: 1 to {len(SCENES)}")
    chosen = tuple(SCENES[number - 1] for number in asked.scene) if asked.scene else SCENES
    passed = asyncio.run(play(teller, chosen, keep=asked.keep))
    teller.last(f"demo: {passed} of {len(chosen)} scenes passed", ok=passed == len(chosen))
    return 0 if passed == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
