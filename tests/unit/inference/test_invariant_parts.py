"""How a part of a network finds out what it may do with a batch; the functions under it are made to fail."""

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import nn

from app.inference.determinism import per_sample
from app.inference.determinism.cases import kind_of
from app.inference.determinism.parts import InvariantActivation, InvariantAttention, InvariantLayer
from app.inference.determinism.samples import canonical
from app.inference.determinism.verdicts import Verdicts


class Recorded:
    """A function of a batch that knows how many samples each call had."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self._function = function
        self.calls: list[int] = []

    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        """The function's result."""
        self.calls.append(len(batch))
        return self._function(batch)

    def calls_of(self, part: Callable[[torch.Tensor], torch.Tensor], batch: torch.Tensor) -> list[int]:
        """The calls that the part needs for a batch whose case it knows."""
        part(batch)
        self.calls.clear()
        part(batch)
        return self.calls.copy()


def layer(
    function: Callable[[torch.Tensor], torch.Tensor],
    *,
    forms: Sequence[Callable[[torch.Tensor], torch.Tensor]] = (),
    verdicts: Verdicts | None = None,
    kind: str = "a kind",
) -> InvariantLayer:
    """A part over the function."""
    return InvariantLayer(function, kind=kind, verdicts=verdicts or Verdicts(), forms=forms)


def crowded(batch: torch.Tensor) -> torch.Tensor:
    """Doubles, and is a little off in the company of others."""
    return batch * 2 if len(batch) == 1 else batch * 2.000001


def last_off(batch: torch.Tensor) -> torch.Tensor:
    """Doubles, and is a little off for the last number of the last of several samples."""
    doubled = batch * 2
    if len(batch) > 1:
        doubled.view(-1)[-1] *= 1.000001
    return doubled


def test_a_function_that_does_not_depend_on_the_batch_is_called_once() -> None:
    """What was found exact is computed at once."""
    double = Recorded(lambda batch: batch * 2)
    assert double.calls_of(layer(double), torch.randn(5, 3)) == [5]


@pytest.mark.parametrize("function", [crowded, last_off])
def test_a_function_that_depends_on_the_batch_runs_per_sample(
    function: Callable[[torch.Tensor], torch.Tensor],
) -> None:
    """One wrong bit anywhere in the batch is enough."""
    recorded, batch = Recorded(function), torch.randn(5, 3)
    part = layer(recorded)
    assert recorded.calls_of(part, batch) == [1] * 5
    assert torch.equal(part(batch), batch * 2)


def test_another_form_is_taken_if_it_is_exact() -> None:
    """Of the forms of a layer the first exact one is used."""
    wrong, right = Recorded(last_off), Recorded(lambda batch: batch + batch)
    part, batch = layer(crowded, forms=(wrong, right)), torch.randn(4, 3)
    assert right.calls_of(part, batch) == [4]
    assert wrong.calls_of(part, batch) == []
    assert torch.equal(part(batch), batch * 2)


def test_verdicts_are_not_shared_between_shapes() -> None:
    """A function that fails at one batch size or width alone runs per sample there alone."""

    def fails_at_three_by_four(batch: torch.Tensor) -> torch.Tensor:
        return crowded(batch) if batch.shape == (3, 4) else batch * 2

    recorded = Recorded(fails_at_three_by_four)
    part = layer(recorded)
    calls = [recorded.calls_of(part, torch.randn(shape)) for shape in ((2, 4), (3, 4), (4, 4), (3, 5))]
    assert calls == [[2], [1, 1, 1], [4], [3]]


def test_verdicts_are_not_shared_between_types_of_numbers() -> None:
    """What holds for float32 says nothing about bfloat16."""
    recorded = Recorded(lambda batch: crowded(batch) if batch.dtype == torch.float64 else batch * 2)
    part = layer(recorded)
    assert recorded.calls_of(part, torch.randn(2, 4)) == [2]
    assert recorded.calls_of(part, torch.randn(2, 4, dtype=torch.float64)) == [1, 1]


def test_parts_of_a_kind_share_what_they_find_out() -> None:
    """The second layer of a kind tries nothing; one of another kind does."""
    verdicts, batch = Verdicts(), torch.randn(3, 4)
    layer(lambda batch: batch * 2, verdicts=verdicts)(batch)
    like, unlike = Recorded(lambda batch: batch * 2), Recorded(lambda batch: batch * 2)
    layer(like, verdicts=verdicts)(batch)
    layer(unlike, verdicts=verdicts, kind="another kind")(batch)
    assert like.calls == [3]
    assert len(unlike.calls) > 1
    assert verdicts.count == 2


def test_trying_takes_no_numbers_from_the_global_generator() -> None:
    """Who draws random numbers does not notice that a case was tried."""
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    layer(crowded)(torch.ones(3, 4))
    assert torch.equal(torch.rand(1), expected)


def test_a_part_is_needed_where_the_plain_function_would_not_do() -> None:
    """Not for a sample alone, not for an exact function; for company that shows, or numbers that lie apart."""
    batch = torch.randn(4, 6)
    needs = []
    for function, given in (
        (crowded, batch[:1]), (torch.abs, batch), (crowded, batch), (torch.abs, batch.t()), (torch.abs, batch[:1, 1:]),
    ):  # fmt: skip
        part = layer(function)
        part(given)
        needs.append(part.was_needed)
    assert needs == [False, False, True, True, True]


def test_activations_leave_no_rest_or_run_per_sample() -> None:
    """Vectorised and scalar code round differently, so samples that do not fill whole registers are kept apart."""
    recorded = Recorded(nn.functional.gelu)
    part = InvariantActivation(recorded, kind="gelu", verdicts=Verdicts())
    odd, even = torch.randn(3, 5, 33), torch.randn(3, 5, 64)
    gate = torch.randn(3, 5, 128).chunk(2, dim=-1)[1]
    assert [recorded.calls_of(part, batch) for batch in (odd, even, gate)] == [[1, 1, 1], [3], [3]]
    for batch in (odd, even, gate):
        assert torch.equal(part(batch), torch.cat([nn.functional.gelu(sample) for sample in batch.split(1)]))


def test_attention_that_depends_on_the_batch_runs_per_sample() -> None:
    """Arguments with a row per sample are cut, by place or by name; what all share is passed whole."""
    seen = []

    def attend(
        hidden: torch.Tensor, mask: torch.Tensor | None = None, rotary: tuple[torch.Tensor, ...] = ()
    ) -> tuple[torch.Tensor, torch.Tensor]:
        seen.append((hidden.shape, None if mask is None else mask.shape, [part.shape for part in rotary]))
        return crowded(hidden), hidden + 1

    part = InvariantAttention(attend, kind="attention", verdicts=Verdicts())
    hidden, mask, rotary = torch.randn(3, 4, 8), torch.randn(3, 1, 4), (torch.randn(4, 8), torch.randn(3, 8))
    part(hidden, mask=mask, rotary=rotary)
    seen.clear()
    doubled, raised = part(hidden, mask=mask, rotary=rotary)
    assert seen == [((1, 4, 8), (1, 1, 4), [(4, 8), (3, 8)])] * 3
    assert torch.equal(doubled, hidden * 2)
    assert torch.equal(raised, hidden + 1)


def channels_last(module: nn.Module) -> nn.Module:
    """The module with its weights in that order of memory."""
    return module.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch knows it for tensors


def test_layers_that_differ_in_their_weights_alone_are_of_one_kind() -> None:
    """Size, settings, type and memory layout of a layer matter, as all of these choose its kernels."""
    kinds = [
        kind_of(each)
        for each in (
            nn.Linear(16, 32), nn.Linear(16, 32), nn.Linear(16, 32, bias=False), nn.Linear(16, 33),
            nn.Linear(16, 32).double(), nn.Conv2d(4, 8, 3), nn.Conv2d(4, 8, 3, padding=1),
            channels_last(nn.Conv2d(4, 8, 3)),
        )
    ]  # fmt: skip
    assert kinds[0] == kinds[1]
    assert len(set(kinds)) == len(kinds) - 1


def test_canonical_numbers_are_dense_and_aligned() -> None:
    """Others are copied; channels that come last stay there; what is canonical is not touched."""
    batch = torch.randn(2, 4, 3, 5)
    last = batch.to(memory_format=torch.channels_last)
    assert canonical(batch) is batch
    assert canonical(last) is last
    for given, strides in (
        (batch[1:, :3], (60, 15, 5, 1)), (batch.transpose(2, 3), (60, 15, 3, 1)), (last[1:], (60, 1, 20, 4)),
    ):  # fmt: skip
        neat = canonical(given)
        assert torch.equal(neat, given)
        assert neat.data_ptr() % 64 == 0
        assert neat[0].stride() == strides[1:]


def test_a_function_runs_on_one_aligned_sample_at_a_time() -> None:
    """Every call sees one contiguous, 64-byte aligned sample, so that no kernel can tell its company."""
    seen = []
    batch = torch.arange(30.0).reshape(2, 3, 5).transpose(0, 1)
    output = per_sample(lambda sample: seen.append(sample) or sample * 2, batch)
    assert torch.equal(output, batch * 2)
    assert all(sample.shape == (1, 2, 5) and sample.is_contiguous() for sample in seen)
    assert all(sample.data_ptr() % 64 == 0 for sample in seen)
