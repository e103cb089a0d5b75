"""Which kernels compute a denoiser's attention."""

from typing import Any

import torch
from diffusers.models.attention_dispatch import AttentionBackendName, attention_backend, dispatch_attention_fn

from app.errors import ConfigurationError

_ATTRIBUTE = "_attention_backend"
_AUTO = "auto"
_NATIVE = "native"
_PROBED_TOKENS = 16


def choose_attention(denoiser: Any, name: str) -> None:
    """Let the denoiser compute attention by a backend of diffusers; `auto` is PyTorch's own choice.

    Other models of the process keep theirs. Raises ConfigurationError in words when the backend
    is unknown, cannot run here, or is none of this model's business.
    """
    layers = [module for module in denoiser.modules() if hasattr(getattr(module, "processor", None), _ATTRIBUTE)]
    if not layers and name == _AUTO:
        return
    if not layers:
        raise ConfigurationError(f"attention: {name} cannot be chosen for this model; set attention: auto")
    backend = _NATIVE if name == _AUTO else name
    try:
        # diffusers also makes the backend the default of the whole process; leaving the context undoes that.
        with attention_backend(_NATIVE):
            denoiser.set_attention_backend(backend)
        _probe(backend, head_width=layers[0].head_dim, device=denoiser.device, dtype=denoiser.dtype)
    except Exception as error:  # kernels fail in as many ways as there are kernels
        raise ConfigurationError(f"attention: {name} is not available here: {error}; set attention: auto") from error


@torch.inference_mode()
def _probe(backend: str, *, head_width: int, device: torch.device, dtype: torch.dtype) -> None:
    tokens = torch.zeros(1, _PROBED_TOKENS, 1, head_width, device=device, dtype=dtype)
    dispatch_attention_fn(tokens, tokens, tokens, backend=AttentionBackendName(backend.lower()))
