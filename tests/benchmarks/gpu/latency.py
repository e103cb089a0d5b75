"""One picture at a time: through the engine, and by the bare calls that it is made of."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import median

import torch
from benchmarks.gpu.architecture import WordlessFlux
from benchmarks.gpu.rig import Rig, engine_over, first_states, job_of
from benchmarks.gpu.roofline import REFERENCE, Precision, Rates, floor_s, fraction
from benchmarks.gpu.sheets import Cell, Sheet

from app.errors import GenerationFailedError
from app.generation import ImageFormat
from app.inference.pictures import encode_picture
from app.inference.pipelines.contract import SampleState, StepPipeline

FLOOR_SIDES = (512, 768, 1024, 2048)
_PRECISIONS: tuple[Precision, ...] = ("bf16", "linears in fp8", "transformer in fp8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Seconds of one picture, from its prompt to its PNG, and of its steps among them."""

    total_s: float
    denoise_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Medians of turns, and the seconds of the first picture, which is not among them."""

    engine: Turn
    bare: Turn
    first_s: float


def measure(rig: Rig, pipeline: StepPipeline, drawn_by: WordlessFlux, side: int) -> Latency:
    """Both ways in turns; `drawn_by` is the model at the heart of the pipeline. Raises GenerationFailedError."""
    return asyncio.run(_measure(rig, pipeline, drawn_by, side))


async def _measure(rig: Rig, pipeline: StepPipeline, drawn_by: WordlessFlux, side: int) -> Latency:
    ours: list[Turn] = []
    bare: list[Turn] = []
    async with engine_over(pipeline, memory=rig.memory) as harness:
        for number in range(rig.scale.repeats + 1):
            job = job_of(number, side, steps=rig.scale.steps, prompt=f"picture {number}")
            run = await harness.run((job,))
            if run.failed:
                raise GenerationFailedError(f"a picture of {side} x {side} failed")
            ours.append(Turn(total_s=run.seconds, denoise_s=run.step_s))
            bare.append(await harness.engine.call(partial(_bare, rig, drawn_by, number, side)))
    return Latency(engine=_medians(ours[1:]), bare=_medians(bare[1:]), first_s=ours[0].total_s)


def _medians(turns: Sequence[Turn]) -> Turn:
    total_s, denoise_s = (
        median(each) for each in zip(*((turn.total_s, turn.denoise_s) for turn in turns), strict=True)
    )
    return Turn(total_s=total_s, denoise_s=denoise_s)


def _bare(rig: Rig, pipeline: WordlessFlux, number: int, side: int) -> Turn:
    spec = job_of(number, side, steps=rig.scale.steps, prompt=f"picture {number}").spec
    seconds: list[float] = []
    latents: list[torch.Tensor] = []

    def draw() -> None:
        state = pipeline.prepare(spec, pipeline.encode(spec), None)
        seconds.append(rig.seconds(lambda: latents.append(bare_latents(pipeline, state))))
        pixels = pipeline.decode(replace(state, latents=latents[0], step=state.steps))
        encode_picture(pixels, ImageFormat.PNG)

    total_s = rig.seconds(draw)
    if not bool(latents[0].isfinite().all()):
        raise GenerationFailedError(f"latents of {side} x {side} overflowed; kernels may be faster on such numbers")
    return Turn(total_s=total_s, denoise_s=seconds[0])


@torch.inference_mode()
def bare_latents(pipeline: WordlessFlux, state: SampleState) -> torch.Tensor:
    """The latents after all steps, by nothing but the calls of the transformer."""
    parts, latents, tokens = pipeline.parts, state.latents, state.embedding.tokens
    patch = 2 * parts.vae_scale_factor
    rows, columns = state.height // patch, state.width // patch
    image_ids = parts._prepare_latent_image_ids(1, rows, columns, latents.device, latents.dtype)
    text_ids = torch.zeros(tokens.shape[1], 3, device=latents.device, dtype=latents.dtype)
    for step in range(state.steps):
        (velocity,) = parts.transformer(
            hidden_states=latents,
            timestep=state.timesteps[step : step + 1].to(latents.dtype) / 1000,
            guidance=None,
            pooled_projections=state.embedding.pooled,
            encoder_hidden_states=tokens,
            txt_ids=text_ids,
            img_ids=image_ids,
            return_dict=False,
        )
        latents = (latents.float() + (state.sigmas[step + 1] - state.sigmas[step]) * velocity).to(velocity.dtype)
    return latents


def floors(rig: Rig) -> Iterator[Sheet]:
    """What is possible: at the rate of an H200, and at the rate measured here."""
    sides = FLOOR_SIDES if rig.scale.device.type == "cuda" else rig.scale.sides
    steps, tokens = rig.scale.steps, rig.scale.tokens[0]
    reference = Rates(REFERENCE["bf16"], REFERENCE["fp8"])
    rows: list[list[Cell]] = []
    for side in sides:
        work = rig.work(side)
        cells = [
            _ms(floor_s(work, rates, steps=steps, precision=precision))
            for rates in (reference, rig.rates)
            for precision in _PRECISIONS
        ]
        rows.append([f"{side} x {side}", work.total(steps) / 1e12, *cells])
    here = [f"{name}, here" for name in _PRECISIONS]
    yield Sheet(
        title=f"Floors of a picture of {steps} steps and {tokens} tokens, ms: at 790 TFLOP/s (1580 in fp8), and here",
        columns=("picture", "TFLOP", *_PRECISIONS, *here),
        rows=rows,
    )


def pictures(rig: Rig) -> Iterator[Sheet]:
    """The latency of a picture of every size and length of prompt, beside the bare calls and the floor."""
    first, *others = rig.scale.tokens
    cases = [(side, first) for side in reversed(rig.scale.sides)]
    cases += [(side, tokens) for tokens in others for side in (rig.scale.large, rig.scale.small)]
    rows = [picture_row(rig, side, tokens) for side, tokens in cases]
    yield Sheet(
        title=f"A picture of {rig.scale.steps} steps in bf16, from prompt to PNG, ms (median)",
        columns=(
            "picture", "tokens", "engine", "bare", "engine/bare", "steps", "bare steps", "steps/bare steps", "floor",
            "floor/engine",
        ),
        rows=rows,
        notes=("Every prompt is new: nothing is remembered of it. The engine waits for the device after each step.",),
    )  # fmt: skip


def picture_row(rig: Rig, side: int, tokens: int) -> list[Cell]:
    """One row of `pictures`."""
    pipeline = rig.pipeline(tokens)
    found = measure(rig, pipeline, pipeline, side)
    floor = floor_s(rig.work(side, tokens), rig.rates, steps=rig.scale.steps)
    ours, bare = found.engine, found.bare
    return [
        f"{side} x {side}", tokens, _ms(ours.total_s), _ms(bare.total_s), ours.total_s / bare.total_s,
        _ms(ours.denoise_s), _ms(bare.denoise_s), ours.denoise_s / bare.denoise_s, _ms(floor),
        fraction(floor, ours.total_s),
    ]  # fmt: skip


def stages(rig: Rig) -> Iterator[Sheet]:
    """What each part of a picture takes by itself."""
    rows: list[list[Cell]] = []
    for side in rig.scale.sides:
        rows += _stage_rows(rig, side)
    yield Sheet(
        title="Stages of a picture, ms (median)",
        columns=("stage", "picture", "measured", "floor", "floor/measured"),
        rows=rows,
        notes=("What random weights draw is no photograph: its PNG takes another time.",),
    )


def _stage_rows(rig: Rig, side: int) -> list[list[Cell]]:
    pipeline, work = rig.pipeline(), rig.work(side)
    spec = job_of(0, side, steps=rig.scale.steps).spec
    (state,) = first_states(pipeline, side, count=1, steps=rig.scale.steps)
    pixels = pipeline.decode(state)
    timed = {
        "encode the prompt": (lambda: pipeline.encode(spec), work.encode),
        "first latents": (lambda: pipeline.prepare(spec, state.embedding, None), None),
        "one step": (lambda: pipeline.step([state]), work.step),
        "decode": (lambda: pipeline.decode(state), work.decode),
        "PNG": (lambda: encode_picture(pixels, ImageFormat.PNG), None),
    }
    rows: list[list[Cell]] = []
    for name, (stage, operations) in timed.items():
        seconds = rig.median_s(stage)
        floor = None if operations is None else operations / rig.rates.bf16
        rows.append([name, f"{side} x {side}", _ms(seconds), _ms(floor), fraction(floor, seconds)])
    return rows


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else 1000 * seconds
