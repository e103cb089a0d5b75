"""The kernel that computes attention is a setting, and one that is not there is said in words."""

import copy
from typing import Any

import pytest
import torch
from diffusers import FluxPipeline
from diffusers.models.attention_dispatch import dispatch_attention_fn
from torch import nn

from app.errors import ConfigurationError
from app.inference.attention import choose_attention


def backends_of(network: Any) -> set[str]:
    """The backends that the network's attention layers were told."""
    return {layer.processor._attention_backend.value for layer in network.modules() if hasattr(layer, "processor")}


@pytest.mark.parametrize(("name", "backend"), [("auto", "native"), ("_native_math", "_native_math")])
def test_every_layer_computes_by_the_chosen_backend(flux: FluxPipeline, name: str, backend: str) -> None:
    """The choice reaches each attention layer."""
    transformer = copy.deepcopy(flux.transformer)
    choose_attention(transformer, name)
    assert backends_of(transformer) == {backend}


def test_a_choice_is_the_model_s_own(flux: FluxPipeline) -> None:
    """A model without a choice still computes by PyTorch's own after another was told something else."""
    tokens = torch.randn(1, 8, 2, 16, generator=torch.Generator().manual_seed(0))
    before = dispatch_attention_fn(tokens, tokens, tokens)
    choose_attention(copy.deepcopy(flux.transformer), "_native_math")
    assert torch.equal(dispatch_attention_fn(tokens, tokens, tokens), before)


@pytest.mark.parametrize(
    ("name", "reason"), [("sage", "sageattention"), ("_native_cudnn", "No viable backend"), ("magic", "must be one of")]
)
@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine may have what the test must miss")
def test_a_backend_that_is_not_here_is_named(flux: FluxPipeline, name: str, reason: str) -> None:
    """A missing package, the wrong device and a misspelt name stop the start with advice."""
    with pytest.raises(ConfigurationError, match=f"attention: {name} is not available here: .*{reason}") as raised:
        choose_attention(copy.deepcopy(flux.transformer), name)
    assert raised.value.detail.endswith("set attention: auto")


def test_a_model_without_a_choice_says_so() -> None:
    """Where layers know one way to attend, auto is all that can be asked for."""
    choose_attention(nn.Linear(2, 2), "auto")
    with pytest.raises(ConfigurationError, match="cannot be chosen for this model"):
        choose_attention(nn.Linear(2, 2), "_native_math")
