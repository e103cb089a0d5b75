"""Company: what other pictures in a batch do to a picture's numbers, and what it costs that they do nothing."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

import torch
from benchmarks.gpu.rig import Rig, first_states
from benchmarks.gpu.sheets import Cell, Sheet
from torch import nn

from app.inference.determinism import make_batch_invariant
from app.inference.pipelines.contract import SampleState, StepPipeline

COMPANIES = (1, 2, 4, 8)
GOAL = 0.05
_TURNS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """Latents of a batch after all steps, and the seconds of all steps but the first."""

    latents: torch.Tensor
    seconds: list[float]


class Strictness:
    """A way of computing that can be put into a transformer and taken out again; what it tried out is kept."""

    def __init__(self, transformer: nn.Module) -> None:
        self._transformer = transformer
        self._before = {module: frozenset(vars(module)) for module in transformer.modules()}
        make_batch_invariant(transformer)
        self._forward = vars(transformer).pop("forward")

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Inside, every sample of a batch is computed as if it were alone; afterwards all is as before."""
        self._transformer.forward = self._forward
        try:
            yield
        finally:
            self._forward.clear()
            for module, names in self._before.items():
                for name in vars(module).keys() - names:
                    delattr(module, name)


def company(rig: Rig) -> Iterator[Sheet]:
    """Differing elements and the price of strictness, by size of the picture and of the batch."""
    strictly = Strictness(rig.parts.transformer)
    rows: list[list[Cell]] = []
    for side in (rig.scale.small, rig.scale.large):
        rows += _rows(rig, side, strictly)
    worst = max((row[2] for row in rows if isinstance(row[2], float)), default=None)
    verdict = "not measured" if worst is None else f"{worst - 1:+.1%}"
    yield Sheet(
        title=f"Latents after {rig.scale.steps} steps in company, compared with those alone",
        columns=(
            "picture", "batch", "strict/fast, step time", "elements", "strict: differ", "fast: differ",
            "fast: largest", "strict alone = fast alone",
        ),
        rows=rows,
        notes=(
            f"The dearest strict batch: {verdict} (goal: at most {GOAL:+.0%}).",
            "Steps in which kernels are tried out are not counted.",
        ),
    )  # fmt: skip


def _rows(rig: Rig, side: int, strictly: Strictness) -> list[list[Cell]]:
    pipeline = rig.pipeline()
    states = first_states(pipeline, side, count=COMPANIES[-1], steps=rig.scale.steps)
    step_s = rig.median_s(lambda: pipeline.step(states[:1]))
    plain = torch.cat([_draw(rig, pipeline, [state]).latents for state in states])
    with strictly():
        alone = torch.cat([_draw(rig, pipeline, [state]).latents for state in states])
    same = "yes" if differing(plain, alone) == 0 else "NO"
    rows: list[list[Cell]] = []
    for batch in COMPANIES:
        # Trying out takes each part a few times, sample by sample.
        refusal = rig.budget.refusal(step_s * batch * (2 * _TURNS * rig.scale.steps + 12))
        if refusal is None:
            rows.append([*_row(rig, states[:batch], alone[:batch], strictly), same])
        else:
            rows.append([f"{side} x {side}", batch, refusal, *[None] * 4, same])
    return rows


def _row(rig: Rig, states: Sequence[SampleState], alone: torch.Tensor, strictly: Strictness) -> list[Cell]:
    pipeline, side = rig.pipeline(), states[0].width
    ours, theirs = [], []
    for _ in range(_TURNS):
        theirs.append(_draw(rig, pipeline, states))
        with strictly():
            ours.append(_draw(rig, pipeline, states))
    strict, fast = ours[-1].latents, theirs[-1].latents
    return [
        f"{side} x {side}", len(states), _step_s(ours) / _step_s(theirs), alone.numel(), differing(strict, alone),
        differing(fast, alone), float((fast.float() - alone.float()).abs().max()),
    ]  # fmt: skip


def _draw(rig: Rig, pipeline: StepPipeline, states: Sequence[SampleState]) -> Draw:
    seconds = []
    while states[0].steps_left:
        moved: list[SampleState] = []
        seconds.append(rig.seconds(lambda: moved.extend(pipeline.step(states))))  # noqa: B023 # called at once
        states = moved
    return Draw(latents=torch.cat([state.latents for state in states]), seconds=seconds[1:])


def _step_s(draws: Sequence[Draw]) -> float:
    return median(seconds for draw in draws for seconds in draw.seconds)


def differing(ours: torch.Tensor, theirs: torch.Tensor) -> int:
    """How many elements do not have the same bits."""
    unlike = ours.contiguous().view(torch.uint8) != theirs.contiguous().view(torch.uint8)
    return int(unlike.view(*ours.shape, -1).any(dim=-1).sum())
