"""The deployment package, unpacked and alone: nothing of this project or its virtual environment beside it."""

import shutil
import sys
import zipfile
from pathlib import Path

import azure_functions_runtime  # type: ignore[import-untyped]

from infra.package import LIBRARIES, ROOT

# The platform's own: the worker library with what it needs beside the app's packages, and the stage for a host.
PLATFORM = ("azure_functions_runtime", "azurefunctions")
_RUN = (
    "import runpy, sys; sys.path[:0] = {paths!r}; sys.argv[0] = 'stage'; "
    "runpy.run_module({module!r}, run_name='__main__')"
)


def unpack(package: Path, into: Path) -> Path:
    """The package's files in a folder."""
    with zipfile.ZipFile(package) as packed:
        packed.extractall(into)
    return into


def platform(into: Path) -> Path:
    """A folder with what the platform brings."""
    installed = Path(azure_functions_runtime.__file__).parents[1]
    for name in PLATFORM:
        shutil.copytree(installed / name, into / name)
    (into / "simulator").symlink_to(ROOT / "simulator", target_is_directory=True)
    return into


def alone(app: Path, beside: Path, module: str = "simulator.stage") -> tuple[str, ...]:
    """The command that runs a module where only the package, the platform and the standard library are found."""
    paths = [str(app), str(app / LIBRARIES), str(beside)]
    return (sys.executable, "-I", "-S", "-B", "-c", _RUN.format(paths=paths, module=module))
