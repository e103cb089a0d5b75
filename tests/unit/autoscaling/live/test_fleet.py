"""The deployments of a graph, and what is decided by for each."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from unit.autoscaling.live.conftest import MODEL, UPSCALER, scaling

from app.autoscaling.live.fleet import Learned, members_of, nodes_early_s, profile_of
from app.autoscaling.profile import Profile
from app.config import DarkroomSettings
from app.config.autoscaling import ScalingSettings


def graph(**variants: dict[str, Any]) -> DarkroomSettings:
    """A configuration with these variants of the built-in model."""
    drawn = {name: {"source": "builtin:sketch"} | own for name, own in variants.items()}
    endpoints = {"fal-ai/flux/schnell": {"task": "text_to_image", "variant": next(iter(variants))}}
    return DarkroomSettings.model_validate({"variants": drawn, "endpoints": endpoints})


def profile(**own: Any) -> Profile:
    """The model's profile with these settings of its own."""
    return profile_of(MODEL, scaling(deployments={"sketch": own}), Learned(single_s=0.5), stale_after_s=10.0)


def test_hosts_scale_and_not_their_variants() -> None:
    """Variants that share a process are one deployment; the upscaler follows them all."""
    members = members_of(graph(a={"host": "gpu", "num_gpus": 1.0}, b={"host": "gpu", "num_gpus": 1.0}, c={}))

    assert [(each.name, each.deployment, each.follows) for each in members] == [
        ("gpu", "Model-gpu", False),
        ("c", "Model-c", False),
        ("upscaler", "Upscaler", True),
    ]
    assert members[0].bundle == {"CPU": 1.0, "GPU": 1.0}
    assert members[1].bundle == {"CPU": 1.0}


def test_the_upscalers_name_is_taken() -> None:
    """No host may have the name under which schedules know the upscaler."""
    with pytest.raises(ValidationError, match="no variant or host may be called upscaler"):
        graph(upscaler={})


def test_what_is_not_configured_comes_from_the_graph() -> None:
    """Bounds and batch are the graph's and speed is the measured one, unless the settings say otherwise."""
    assert (profile().min_replicas, profile().max_replicas) == (1, 8)
    assert (profile().curve.single_s, profile().curve.max_batch) == (0.5, 4)
    assert (profile(single_s=2).curve.single_s, profile(max_batch=2).curve.max_batch) == (2, 2)


@given(st.integers(0, 30), st.integers(1, 30))
def test_the_graphs_bounds_are_never_left(least: int, most: int) -> None:
    """What the settings allow is cut to what the graph was deployed with, which Serve enforces."""
    found = profile(min=min(least, most), max=most)

    assert 1 <= found.min_replicas <= found.max_replicas <= 8


def test_machines_come_before_replicas() -> None:
    """A replica's floor is ordered one slow start early, and its machine a machine's start before that."""
    own = {"cold_start_s": 40, "node_start_s": 100}

    assert profile(**own).early_s == 50
    assert nodes_early_s(MODEL, scaling(deployments={"sketch": own}), Learned()) == 150
    assert profile(**own).fluid.cold_start_s == 140


def test_starts_are_learned_where_none_is_set() -> None:
    """The measured start stands in for the usual one, and floors are early enough for the slowest that was seen."""
    learned = Learned(cold_start_s=8.0, slowest_start_s=14.0)
    own = {"sketch": {"max_batch": 1}}

    assert profile_of(MODEL, scaling(deployments=own), learned, stale_after_s=10.0).early_s == 14
    own["sketch"]["cold_start_s"] = 40
    assert profile_of(MODEL, scaling(deployments=own), learned, stale_after_s=10.0).early_s == 50


def test_defaults_hold_for_a_deployment_that_is_not_named() -> None:
    """Settings need not name every deployment."""
    assert profile_of(UPSCALER, ScalingSettings(), Learned(), stale_after_s=10.0).max_replicas == 8
