"""Latents on their way: taken out of one picture's path, kept without loss, and put into another's."""

import json
import zlib
from dataclasses import replace

import numpy as np
import torch

from app.inference.pipelines.contract import SampleState

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_HEADER_BYTES = 128
_LEVEL = 1


def pack(latents: torch.Tensor) -> bytes:
    """The latents as a file that holds every bit of them.

    The bytes of each number are kept apart by their place: signs and exponents resemble each other, the rest is noise.
    """
    header = json.dumps({"dtype": str(latents.dtype).removeprefix("torch."), "shape": list(latents.shape)})
    planes = _bytes_of(latents).reshape(-1, latents.element_size()).T
    return header.encode().ljust(_HEADER_BYTES) + zlib.compress(planes.tobytes(), _LEVEL)


def unpack(data: bytes) -> torch.Tensor:
    """The latents of a file; raises ValueError when it is none."""
    try:
        header = json.loads(data[:_HEADER_BYTES])
        dtype, shape = _DTYPES[header["dtype"]], [int(side) for side in header["shape"]]
        planes = np.frombuffer(zlib.decompress(data[_HEADER_BYTES:]), np.uint8).reshape(dtype.itemsize, -1)
        return torch.frombuffer(bytearray(planes.T.tobytes()), dtype=dtype).reshape(shape)
    except (ValueError, KeyError, TypeError, RuntimeError, zlib.error) as error:
        raise ValueError(f"not a file of latents: {error}") from error


def resumed(state: SampleState, latents: torch.Tensor, step: int) -> SampleState:
    """The state of a picture that begins after `step` steps of a path that led to these latents.

    On its own path it ends in the same bits. Raises ValueError when the latents are of another size or precision, when
    no step would be left, or when the state is more than its latents.
    """
    if not state.is_its_latents:
        raise ValueError("pictures of this variant cannot begin late: their state is more than latents")
    if not 0 < step < state.steps:
        raise ValueError(f"step {step} is none after which a run of {state.steps} steps goes on")
    ours, theirs = state.latents, latents
    if (ours.shape, ours.dtype) != (theirs.shape, theirs.dtype):
        raise ValueError(f"latents {tuple(theirs.shape)} {theirs.dtype}, not {tuple(ours.shape)} {ours.dtype}")
    return replace(state, latents=latents.to(ours.device), step=step)


def _bytes_of(latents: torch.Tensor) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    return latents.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
