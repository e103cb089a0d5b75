"""The parts of a model that variants can share, named by what they are made of."""

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple
from weakref import WeakValueDictionary

import torch
from torch import nn

from app.inference.shelf import Footprint

# Larger files are known by place, size and time: reading gigabytes of weights to name them would double a start.
_MOST_BYTES_READ = 64_000_000
# The hub's cache calls each file by a digest of its content, and links to it from the folders of models.
_BY_CONTENT = "blobs"
_WEIGHTS = re.compile(r"(diffusion_pytorch_)?model(-\d+-of-\d+)?\.safetensors")
_BLOCK = re.compile(r"transformer_blocks\.\d+\.")


class ComponentKey(NamedTuple):
    """What makes a text encoder or an autoencoder in memory the same as another: `content` names its files."""

    content: str
    dtype: str
    device: str
    is_tiled: bool = False


class ComponentPool:
    """Networks that several models use, for as long as any of these is in memory; for one thread that loads."""

    def __init__(self) -> None:
        self._networks: WeakValueDictionary[ComponentKey, nn.Module] = WeakValueDictionary()

    def found(self, keys: Mapping[str, ComponentKey]) -> dict[str, nn.Module]:
        """Those of the named components that are in memory."""
        known = {name: self._networks.get(key) for name, key in keys.items()}
        return {name: network for name, network in known.items() if network is not None}

    def add(self, keys: Mapping[str, ComponentKey], networks: Mapping[str, nn.Module]) -> None:
        """Offer the components to models that are loaded later."""
        self._networks.update({key: networks[name] for name, key in keys.items() if name in networks})


def shared_components(folder: Path, *, dtype: str, device: str, vae_tiling: bool) -> dict[str, ComponentKey]:
    """The text encoders and the autoencoder of a model folder by name; whatever else it holds, it keeps to itself."""
    return {
        name: ComponentKey(_content(folder / name), dtype, device, vae_tiling and name == "vae")
        for name in _networks_in(folder)
        if name.startswith("text_encoder") or name == "vae"
    }


def encoder_revision(folder: Path, *, dtype: str) -> str:
    """A name for the exact text encoders and tokenizers of a model folder, and the type that they compute in."""
    parts = sorted(path for path in folder.iterdir() if path.name.startswith(("text_encoder", "tokenizer")))
    return _digest(dtype, *(f"{path.name} {_content(path)}" for path in parts))


def folder_revision(folder: Path) -> str:
    """A name for everything in a model folder."""
    return _content(folder)


def weigh_components(folder: Path, shared: Mapping[str, ComponentKey], *, dtype: str, quantization: str) -> Footprint:
    """What the model will take in memory, read off its files without loading them."""
    itemsize: int = getattr(torch, dtype).itemsize
    sizes = {
        name: sum(_tensor_bytes(folder / name, itemsize, is_narrowed=quantization != "none" and name not in shared))
        for name in _networks_in(folder)
    }
    own_bytes = sum(size for name, size in sizes.items() if name not in shared)
    return Footprint(own_bytes, {key: sizes[name] for name, key in shared.items()})


def module_bytes(module: nn.Module) -> int:
    """Bytes of a network's parameters and buffers."""
    return sum(map(_bytes_of, (*module.parameters(), *module.buffers())))


def _bytes_of(tensor: torch.Tensor) -> int:
    """Tensors of eight-bit libraries are made of others and claim the size that they stand for."""
    flatten = getattr(tensor, "__tensor_flatten__", None)
    return tensor.nbytes if flatten is None else sum(_bytes_of(getattr(tensor, name)) for name in flatten()[0])


def _networks_in(folder: Path) -> Iterator[str]:
    """The components of a model folder that have weights."""
    return (path.name for path in sorted(folder.iterdir()) if path.is_dir() and any(_weight_files(path)))


def _weight_files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.iterdir()) if _WEIGHTS.fullmatch(path.name))


def _tensor_bytes(folder: Path, itemsize: int, *, is_narrowed: bool) -> Iterator[int]:
    for path in _weight_files(folder):
        for name, shape in _shapes(path).items():
            is_narrow = is_narrowed and len(shape) == 2 and _BLOCK.search(name) is not None
            yield math.prod(shape) * (1 if is_narrow else itemsize)


def _shapes(path: Path) -> dict[str, list[int]]:
    """The tensors of a safetensors file, which begins with the length of its table of contents."""
    with path.open("rb") as file:
        contents = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return {name: entry["shape"] for name, entry in contents.items() if name != "__metadata__"}


def _content(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return _digest(*(f"{path.relative_to(folder)} {_identity(path)}" for path in files))


def _identity(path: Path) -> str:
    place = path.resolve()
    if place.parent.name == _BY_CONTENT:
        return place.name
    facts = place.stat()
    if facts.st_size <= _MOST_BYTES_READ:
        return hashlib.sha256(place.read_bytes()).hexdigest()
    return f"{place} {facts.st_size} {facts.st_mtime_ns}"


def _digest(*lines: str) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
