"""A name for the weights and the software that pictures were made with, since what is remembered outlives both."""

import hashlib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Final

from huggingface_hub import try_to_load_from_cache

BUILTIN_WEIGHTS: Final = Path(__file__).parents[1] / "builtin" / "weights"
_BUILTIN: Final = "builtin:"
_SOFTWARE: Final = ("darkroom", "torch", "diffusers", "transformers")
# Weights that were trained on differ everywhere, so the ends of a file tell them apart without reading gigabytes.
_SAMPLE_BYTES: Final = 1 << 20


def weights_fingerprint(source: str, *, builtin_weights: Path = BUILTIN_WEIGHTS) -> str:
    """A digest of the files behind a source; empty when they are not on this machine.

    It covers names, sizes, and the first and last mebibyte of every file.
    """
    place = _place(source, builtin_weights)
    if place is None or not place.exists():
        return ""
    digest = hashlib.sha256()
    for path in sorted(_files(place)):
        digest.update(f"{path.relative_to(place.parent)} {path.stat().st_size}\n".encode())
        digest.update(_ends(path))
    return digest.hexdigest()


@cache
def software() -> dict[str, str]:
    """The releases that decide how numbers are rounded."""
    return {name: version(name) for name in _SOFTWARE}


def _place(source: str, builtin_weights: Path) -> Path | None:
    if source.startswith(_BUILTIN):
        return builtin_weights / source.removeprefix(_BUILTIN)
    place = Path(source).expanduser()
    if place.exists() or source.startswith((".", "/", "~")) or source.count("/") != 1:
        return place
    known = try_to_load_from_cache(source, "model_index.json")
    return Path(known).parent if isinstance(known, str) else None


def _files(place: Path) -> Iterator[Path]:
    return (path for path in ([place] if place.is_file() else place.rglob("*")) if path.is_file())


def _ends(path: Path) -> bytes:
    with path.open("rb") as file:
        first = file.read(_SAMPLE_BYTES)
        file.seek(max(len(first), path.stat().st_size - _SAMPLE_BYTES))
        return first + file.read(_SAMPLE_BYTES)
