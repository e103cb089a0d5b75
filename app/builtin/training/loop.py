"""The loop every training of ours runs: advance, report, probe and save until the budget is spent."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean
from typing import Final

from app.builtin.training.checkpoint import Checkpoint
from app.builtin.training.stage import Progress, StageContext, Stopwatch

REPORT_EVERY: Final = 50

Advance = Callable[[int, float], float]
Probe = Callable[[], dict[str, float]]


@dataclass(frozen=True)
class Loop:
    """A named training: `advance(step, share)` takes one step and returns its loss; `probe` measures quality."""

    name: str
    advance: Advance
    probe: Probe | None = None
    probe_every_s: float = 300.0

    def run(self, context: StageContext, checkpoint: Checkpoint) -> None:
        """Train from the checkpoint to the end of the budget and leave the final state in the checkpoint."""
        step, spent_s = checkpoint.load()
        watch, probed_at_s, losses = Stopwatch(spent_s), spent_s, []
        while (share := context.budget.share(step, watch.spent_s)) < 1:
            losses.append(self.advance(step, share))
            step += 1
            if step % REPORT_EVERY == 0:
                context.report(Progress(self.name, step, share, {"loss": fmean(losses)}))
                losses = []
            if self.probe and watch.spent_s - probed_at_s >= self.probe_every_s:
                probed_at_s = watch.spent_s
                context.report(Progress(self.name, step, share, self.probe()))
            checkpoint.save_if_due(step, watch.spent_s, context.checkpoint_every_s)
        checkpoint.save(step, watch.spent_s)
        if self.probe:
            context.report(Progress(self.name, step, 1.0, self.probe()))
