"""The deployment package: only what runs, the same bytes each time, and it works alone in the real worker library."""

import importlib.util
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from infra import requirements
from infra.alone import alone, platform, unpack
from infra.bytecode import UNCHECKED
from infra.package import LIBRARIES, ROOT, NotBuilt, allowed, build, described, name, stage
from simulator.pair import a_pair
from simulator.server import Cloud
from simulator.stage import Stage

TOP = {
    "function_app.py",
    "host.json",
    "requirements.txt",
    "handlers",
    "shared",
    "__pycache__",
    ".python_packages",
}
WHERE = """
import asyncio, json, sys
from pathlib import Path
from simulator.stage import worker
asyncio.run(worker.load(Path(sys.argv[1])))
modules = [it for it in list(sys.modules.values()) if getattr(it, "__file__", None)]
print(json.dumps({
    "files": sorted({it.__file__ for it in modules}),
    "uncached": sorted(
        it.__name__ for it in modules
        if it.__file__.endswith(".py") and sys.argv[1] in it.__file__ and not Path(it.__cached__).is_file()
    ),
}))
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, built."""
    return build(ROOT, tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def app(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, unpacked."""
    return unpack(package, tmp_path_factory.mktemp("wwwroot"))


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what the platform brings."""
    return platform(tmp_path_factory.mktemp("platform"))


def test_the_same_files_give_the_same_bytes(package: Path, tmp_path: Path) -> None:
    """Built again, elsewhere, from a copy of the project with other times on its files."""
    copy = tmp_path / "elsewhere"
    for file in allowed(ROOT):
        (copy / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / file, copy / file)
    for other in ("pyproject.toml", ".funcignore", *requirements.FILES):
        shutil.copyfile(ROOT / other, copy / other)
    again = build(copy, tmp_path / "dist")
    assert again.name == package.name == name(ROOT)
    assert again.read_bytes() == package.read_bytes()


def test_only_what_runs_is_in_it(package: Path) -> None:
    """Its own code, the libraries, and nothing of the command line, the simulator, tests or this machine."""
    with zipfile.ZipFile(package) as packed:
        names = packed.namelist()
        text = b"\n".join(packed.read(item) for item in names if item.startswith(("shared/", "handlers/")))
    assert {item.partition("/")[0] for item in names} == TOP
    assert names == sorted(names)
    libraries = {item.split("/")[3] for item in names if item.startswith(LIBRARIES.as_posix())}
    assert {"azure", "aiohttp", "msgspec"} <= libraries
    assert not libraries & {"typer", "rich", "pytest", "azure_functions_runtime", "simulator", "bin"}
    assert str(ROOT).encode() not in text
    assert not [item for item in names if item.endswith(("local.settings.json", ".sqlite", ".env"))]


def test_every_module_has_bytecode_that_is_never_checked(app: Path) -> None:
    """For each source its bytecode, of the platform's Python, with the mark that Python takes it as it is."""
    sources = list(app.rglob("*.py"))
    assert len(sources) > 1000
    for source in sources:
        compiled = source.parent / "__pycache__" / f"{source.stem}.cpython-313.pyc"
        head = compiled.read_bytes()[:8]
        assert head[:4] == importlib.util.MAGIC_NUMBER
        assert int.from_bytes(head[4:], "little") == UNCHECKED
    settings = app / "shared" / "__pycache__" / "settings.cpython-313.pyc"
    assert b"/home/site/wwwroot/shared/settings.py" in settings.read_bytes()


def test_it_imports_alone(app: Path, beside: Path, tmp_path: Path) -> None:
    """Indexed in the real worker library: every module comes from the package, the platform or Python itself."""
    (tmp_path / "where.py").write_text(WHERE, "utf-8")
    command = alone(app, beside, tmp_path, module="where")
    done = subprocess.run(
        [*command, str(app)], capture_output=True, text=True, env={}, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    homes = (str(app), str(beside), str(ROOT / "simulator"), str(tmp_path), *python_itself())
    assert [item for item in found["files"] if not item.startswith(homes)] == []
    assert found["uncached"] == []


def python_itself() -> tuple[str, ...]:
    """Return where the standard library lies, without any site-packages."""
    return tuple(str(Path(item).resolve()) for item in {json.__file__.rsplit("/", 2)[0], sys.base_prefix})


async def test_each_function_runs_in_it(app: Path, beside: Path) -> None:
    """Every trigger answers or does its work, in the simulated cloud, with nothing beside the package."""
    world = a_pair()
    async with Cloud(world) as cloud:
        site = next(iter(world.sites.values()))
        profile = next(iter(world.profiles.values()))
        async with Stage(app, cloud.env(), timers=False, python=alone(app, beside)) as running:
            assert running.errors == {}
            described = (await running.call("GET", "/admin/functions")).json()
            assert {item["name"] for item in described} == set(running.functions)
            for each in described:
                await _wake(running, each, site.id, profile.id)
            assert (await running.call("GET", "/api/health", key=False)).json()["status"] == "ok"
        assert "sites/config/list/Action".lower() in " ".join(cloud.used_actions).lower()


async def _wake(running: Stage, each: dict[str, Any], site: str, profile: str) -> None:
    """One invocation; what is asked of an HTTP function need not exist, but its answer is its own."""
    match each["trigger"]:
        case "timerTrigger":
            await running.fire_timer(each["name"])
        case "eventGridTrigger":
            assert await running.send_event(each["name"], _event(site)) == 202
        case "queueTrigger":
            await running.invoke(each["name"], profile)
        case "httpTrigger":
            trigger = each["config"]["bindings"][0]
            path = f"/api/{trigger['route']}".replace("{id}", "nobody-1")
            for method in trigger["methods"]:
                answer = await running.call(method, path, json={} if method == "POST" else None)
                own = answer.status == 200 or answer.headers["Content-Type"] == "application/problem+json"
                assert own, (each["name"], answer.status, answer.text)
                assert answer.status < 500, (each["name"], answer.text)
        case other:
            pytest.fail(f"no test knows how to wake a {other}")


def _event(site: str) -> dict[str, Any]:
    return {
        "id": "1",
        "source": site,
        "subject": site,
        "type": "Microsoft.Web.AppUpdated",
        "time": "2026-03-02T12:00:30.2760952Z",
        "specversion": "1.0",
        "data": {"appEventTypeDetail": {"action": "ChangedAppSettings"}, "name": site.rsplit("/", 1)[-1]},
    }


def test_its_size_is_told(package: Path) -> None:
    """In MiB, packed and unpacked, with the number of files."""
    assert f"{package.stat().st_size / 2**20:.1f} MiB" in described(package)


# -- the pins ---------------------------------------------------------------------------------------------------


def test_the_pins_are_current() -> None:
    """Both files of pins were made from the dependencies that pyproject.toml names now."""
    assert requirements.stale() == (), "run: make lock"


@pytest.mark.parametrize("file", requirements.FILES)
def test_the_pins_have_hashes_and_no_index(file: str) -> None:
    """Every requirement is pinned with hashes, and no address stands in the file."""
    text = (ROOT / file).read_text("utf-8")
    assert "://" not in text
    assert "--index" not in text
    pins = [line for line in text.splitlines() if line and line[0] not in "# "]
    assert pins
    assert all("==" in pin and pin.endswith("\\") for pin in pins)


def test_stale_pins_are_noticed(tmp_path: Path) -> None:
    """A dependency more, without pinning anew: it is said, and nothing is built."""
    for file in ("pyproject.toml", *requirements.FILES):
        shutil.copyfile(ROOT / file, tmp_path / file)
    project = tmp_path / "pyproject.toml"
    text = project.read_text("utf-8")
    project.write_text(text.replace("dependencies = [", 'dependencies = [\n    "left-pad~=1.0",', 1), "utf-8")
    assert requirements.stale(tmp_path) == tuple(requirements.FILES)
    with pytest.raises(NotBuilt, match="make lock"):
        stage(tmp_path, tmp_path / "stage")
