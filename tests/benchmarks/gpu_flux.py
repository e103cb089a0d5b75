"""What does FLUX.1-schnell take on one GPU, through the engine, and how much of that is the engine's?

    PYTHONPATH=.:tests python tests/benchmarks/gpu_flux.py [--json out.json] [--markdown out.md] [--budget 540]

The architecture is exact, its weights are random: timings hold, pictures show nothing. Nothing is downloaded. Measured:
the device's rate of matrix products and the floors that follow from it; pictures by size and length of prompt beside
the bare calls; their stages; steps by batch size, and the policy that chooses batches beside every fixed size; what
company does to a picture's bits and what strictness costs; how soon a job in a hurry begins; a device that runs out of
memory; the model compiled and in eight bits. What the budget of seconds has no room for is skipped and named.

Without a GPU it ends with status 2. With --tiny everything runs on a tiny model on the CPU, in seconds, to show that it
does; then the numbers mean nothing. Status 1: a phase broke off.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
from benchmarks.gpu.architecture import weight_bytes
from benchmarks.gpu.batching import batching
from benchmarks.gpu.budget import Budget, Phase, run_phases
from benchmarks.gpu.company import company
from benchmarks.gpu.latency import floors, pictures, stages
from benchmarks.gpu.pressure import out_of_memory, preemption
from benchmarks.gpu.rates import matrix_rates
from benchmarks.gpu.report import Report, machine
from benchmarks.gpu.rig import Rig
from benchmarks.gpu.scale import Scale, gpu_scale, tiny_scale
from benchmarks.gpu.tuned import tuned_phases
from rich.console import Console

from app.inference.engine.memory import memory_of

_WIDTH = 190
_MODES = ("default", "max-autotune", "reduce-overhead")


def main(words: Sequence[str] | None = None, *, has_gpu: Callable[[], bool] = torch.cuda.is_available) -> int:
    """Measure, print, write; returns the exit status."""
    arguments = _arguments(words)
    if not arguments.tiny and not has_gpu():
        return _refuse("gpu_flux needs a CUDA GPU and PyTorch sees none; --tiny shows its logic on the CPU.")
    budget = Budget(arguments.budget, clock=time.monotonic)
    scale = _scale(arguments)
    unweighted = scale.parts(torch.device("meta"))
    lack = lack_of_memory(weight_bytes(unweighted), scale.workspace_bytes, free=memory_of(scale.device.type).free())
    if lack is not None:
        return _refuse(lack)
    facts = machine(scale.device) | {"tokens": scale.tokens, "budget_s": arguments.budget}
    report = Report(Console(width=_WIDTH), facts, json_path=arguments.json, markdown_path=arguments.markdown)
    rates, sheet = matrix_rates(scale)
    report.add(sheet)
    rig = Rig(scale=scale, budget=budget, parts=scale.parts(scale.device), unweighted=unweighted, rates=rates)
    run_phases([phase for phase in _phases(rig) if wanted(phase.name, arguments.only)], budget, report)
    return 1 if report.has_failures else 0


def wanted(phase: str, beginnings: Sequence[str] | None) -> bool:
    """Whether the phase's name begins with one of the words; without words all are wanted."""
    return beginnings is None or phase.startswith(tuple(beginnings))


def lack_of_memory(weights: int, workspace: int, *, free: int) -> str | None:
    """Why so many bytes of weights and of room to work in do not fit; None when they do."""
    if free >= weights + workspace:
        return None
    return (
        f"gpu_flux needs {weights / 1e9:.1f} GB of device memory for weights and {workspace / 1e9:.1f} GB to work in; "
        f"{free / 1e9:.1f} GB are free."
    )


def _phases(rig: Rig) -> list[Phase]:
    def phase(name: str, need_s: float, work: Callable[[Rig], object]) -> Phase:
        return Phase(name=name, need_s=need_s * rig.scale.slowness, work=partial(work, rig))

    return [
        phase("floors", 5, floors),
        phase("pictures", 45, pictures),
        phase("stages", 15, stages),
        phase("batches", 90, batching),
        phase("preemption", 40, preemption),
        phase("memory", 30, out_of_memory),
        phase("company", 30, company),
        *tuned_phases(rig),
    ]


def _scale(arguments: argparse.Namespace) -> Scale:
    if arguments.tiny:
        return tiny_scale(compile_modes=tuple(arguments.compile or ()))
    modes = _MODES[:2] if arguments.compile is None else arguments.compile
    return gpu_scale(tokens=tuple(arguments.tokens), compile_modes=tuple(modes))


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="a tiny model on the CPU, to see that everything runs")
    parser.add_argument("--budget", type=float, default=540.0, metavar="SECONDS", help="no phase begins without time")
    parser.add_argument(
        "--tokens", type=int, nargs="+", default=(256, 512), help="lengths of prompts; most phases take the first"
    )
    parser.add_argument(
        "--compile",
        nargs="*",
        choices=_MODES,
        help="ways to compile; absent: default and max-autotune, with --tiny none",
    )
    parser.add_argument(
        "--only", nargs="+", metavar="PHASE", help="phases whose names begin so, such as company or fp8"
    )
    parser.add_argument("--json", type=Path, help="write every number there")
    parser.add_argument("--markdown", type=Path, help="write the tables there")
    return parser.parse_args(words)


def _refuse(reason: str) -> int:
    print(reason, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
