"""The GPU benchmark, all of it, on the tiny pipeline."""

import json
from typing import Any

import pytest
import torch
from benchmarks.gpu.architecture import WordlessFlux
from benchmarks.gpu.company import Strictness, differing
from benchmarks.gpu.latency import bare_latents
from benchmarks.gpu.pressure import runs_of
from benchmarks.gpu.rig import first_states
from benchmarks.gpu_flux import lack_of_memory, main, wanted
from tiny_flux import SEQUENCE_LENGTH, tiny_flux


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a tiny run wrote."""
    path = tmp_path_factory.mktemp("gpu") / "found.json"
    assert main(["--tiny", "--json", str(path)]) == 0
    return dict(json.loads(path.read_text(encoding="utf-8")))


def column(found: dict[str, Any], title: str, name: str) -> list[Any]:
    """A column of the sheet whose title begins so."""
    (sheet,) = (sheet for sheet in found["sheets"] if sheet["title"].startswith(title))
    place = sheet["columns"].index(name)
    return [row[place] for row in sheet["rows"]]


def test_every_phase_is_measured_or_says_why_not(found: dict[str, Any]) -> None:
    """On a CPU that is all but fp8."""
    skipped = {name: state for name, state in found["phases"].items() if not state.startswith("measured")}
    assert list(skipped) == ["fp8"]
    assert "capability 8.9" in skipped["fp8"]
    assert {"floors", "pictures", "stages", "batches", "company", "preemption", "memory", "int8"} <= set(
        found["phases"]
    )


def test_a_picture_is_compared_with_the_bare_calls(found: dict[str, Any]) -> None:
    """By size and by length of the prompt."""
    assert column(found, "A picture of 4 steps in bf16", "picture")[:3] == ["32 x 32", "24 x 24", "16 x 16"]
    assert set(column(found, "A picture of 4 steps in bf16", "tokens")) == {8, 6}
    assert min(column(found, "A picture of 4 steps in bf16", "engine/bare")) > 0


def test_all_batches_of_all_sizes_are_timed(found: dict[str, Any]) -> None:
    """Three sizes, eight batches each."""
    assert column(found, "One step by batch size", "batch") == 3 * list(range(1, 9))


def test_real_runs_draw_every_job(found: dict[str, Any]) -> None:
    """With the policy and with fixed batches, of which one is of single pictures."""
    assert set(column(found, "5 jobs really run", "drawn")) == {5}
    batches = column(found, "5 jobs really run", "batches")
    means = column(found, "5 jobs really run", "mean batch")
    assert {mean for batch, mean in zip(batches, means, strict=True) if batch == "fixed 1"} == {1.0}


def test_company_changes_no_bit_when_strict(found: dict[str, Any]) -> None:
    """And what is drawn alone is the same, strict or not."""
    assert set(column(found, "Latents after", "strict: differ")) == {0}
    assert set(column(found, "Latents after", "strict alone = fast alone")) == {"yes"}


def test_jobs_that_do_not_fit_into_memory_are_drawn_all_the_same(found: dict[str, Any]) -> None:
    """All eight, in parts of four at most."""
    title = "8 jobs of 32 x 32 where a batch of 8"
    assert [count for count in column(found, title, "drawn") if count is not None] == [8, 8, 8]
    assert all("x 8" not in batches for batches in column(found, title, "batches of its steps") if batches)


def test_without_a_gpu_nothing_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    """One sentence says so, and the status is 2."""
    assert main([], has_gpu=lambda: False) == 2
    assert "needs a CUDA GPU" in capsys.readouterr().err


def test_a_gpu_that_is_too_small_is_refused_in_figures() -> None:
    """What is needed and what there is."""
    assert lack_of_memory(34 * 10**9, 12 * 10**9, free=80 * 10**9) is None
    refusal = lack_of_memory(34 * 10**9, 12 * 10**9, free=24 * 10**9)
    assert refusal is not None
    assert all(figure in refusal for figure in ("34.0 GB", "12.0 GB", "24.0 GB"))


def test_phases_are_chosen_by_their_beginnings() -> None:
    """Without a choice all are wanted."""
    assert wanted("fp8, compiled: default", ["fp8", "company"])
    assert not wanted("pictures", ["fp8", "company"])
    assert wanted("pictures", None)


def test_the_bare_calls_draw_what_the_engine_draws() -> None:
    """Step for step the same latents, so that only the engine's own time is compared."""
    pipeline = WordlessFlux(tiny_flux(), SEQUENCE_LENGTH)
    (state,) = first_states(pipeline, 32, count=1, steps=3)
    bare = bare_latents(pipeline, state)
    while state.steps_left:
        (state,) = pipeline.step([state])
    assert torch.equal(bare, state.latents)


def test_a_prompt_without_tokenizers_has_an_embedding_of_its_own() -> None:
    """The same prompt the same, another prompt another, each of the length that was asked for."""
    pipeline = WordlessFlux(tiny_flux(), 5)
    (one,) = first_states(pipeline, 16, count=1, steps=1)
    (again,) = first_states(pipeline, 16, count=1, steps=1)
    assert one.embedding.tokens.shape == (1, 5, 32)
    assert torch.equal(one.embedding.tokens, again.embedding.tokens)


def test_strictness_leaves_the_network_as_it_was() -> None:
    """Nothing of it stays in any module, however often it is used."""
    parts = tiny_flux()
    pipeline = WordlessFlux(parts, SEQUENCE_LENGTH)
    states = first_states(pipeline, 16, count=2, steps=1)
    before = [set(vars(module)) for module in parts.transformer.modules()]
    strictly = Strictness(parts.transformer)
    for _ in range(2):
        with strictly():
            pipeline.step(states)
            assert "forward" in vars(parts.transformer)
        assert [set(vars(module)) for module in parts.transformer.modules()] == before


def test_elements_differ_by_their_bits() -> None:
    """Zeros of two signs differ, equal numbers that are none do not."""
    ours = torch.tensor([[0.0, 1.0, float("nan")], [2.0, 3.0, 4.0]], dtype=torch.bfloat16)
    theirs = torch.tensor([[-0.0, 1.0, float("nan")], [2.0, 3.5, 4.0]], dtype=torch.bfloat16)
    assert differing(ours, theirs) == 2


def test_batches_are_told_in_their_order() -> None:
    """How often each size came in a row."""
    assert runs_of([4, 4, 3, 4]) == "2 x 4, 1 x 3, 1 x 4"
