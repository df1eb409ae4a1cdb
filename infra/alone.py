"""The deployment package, unpacked and alone, for who tries or measures it.

Nothing of this project or its virtual environment is beside it: only what the platform brings, and the standard
library. The stage stands in for the Functions host.
"""

import shutil
import sys
import zipfile
from pathlib import Path

import azure_functions_runtime  # type: ignore[import-untyped]

from infra.package import LIBRARIES, ROOT

# The platform's own: the worker library with what it needs beside the app's packages.
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
    """A folder with what the platform brings, and the stage."""
    installed = Path(azure_functions_runtime.__file__).parents[1]
    for name in PLATFORM:
        shutil.copytree(installed / name, into / name)
    (into / "simulator").symlink_to(ROOT / "simulator", target_is_directory=True)
    return into


def alone(app: Path, *beside: Path, module: str = "simulator.stage") -> tuple[str, ...]:
    """The command that runs a module where only the app, its libraries and the given folders are found.

    Reads bytecode and writes none, as from a package that is mounted read-only.
    """
    paths = [str(app), str(app / LIBRARIES), *map(str, beside)]
    return (sys.executable, "-I", "-S", "-B", "-c", _RUN.format(paths=paths, module=module))
