"""`darkroom scaling simulate` and `what-if`: a recorded load under the policy, with and without schedules."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console

from app.cli.scaling.live import explain, status
from app.cli.scaling.nightly import replay
from app.cli.scaling.tables import summary_table
from app.config.autoscaling import DeploymentScaling, ScalingSettings, load_scaling
from app.errors import ConfigurationError
from app.simulation.scaling.outcome import Outcome
from app.simulation.scaling.planned import Planned
from app.simulation.scaling.plot import Story, draw
from app.simulation.scaling.replay import (
    AS_SET,
    FIXED,
    HINDSIGHT,
    Replay,
    profile_in,
    scenario_of,
    without_schedules,
)
from app.simulation.scaling.summary import Summary
from app.simulation.scaling.trace import CountTrace, read_counts, split

scaling = typer.Typer(help="How many replicas there are, shall be and would have been, and why.", no_args_is_help=True)
for command in (status, explain, replay):
    scaling.command()(command)

TraceFile = Annotated[Path, typer.Argument(help="CSV file with a column of times and a column count.")]
Deployment = Annotated[str | None, typer.Option(help="Which deployment of the settings; absent: the first.")]
History = Annotated[float, typer.Option(min=0.0, help="Days at the begin of the trace that are only learned from.")]
Picture = Annotated[Path, typer.Option("--plot", help="Where the picture goes; its format follows from its name.")]
Seed = Annotated[int, typer.Option(min=0, help="Where the randomness starts.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which deployment of which settings is simulated, with how much history and which chances."""

    settings: ScalingSettings
    deployment: str | None
    history_days: float
    seed: int

    @property
    def name(self) -> str:
        """The deployment's name; raises ConfigurationError when nothing is set for it."""
        known = self.settings.deployments
        name = self.deployment or next(iter(known))
        if name not in known:
            raise ConfigurationError(f"no deployment {name!r}; known: {', '.join(sorted(known))}")
        return name

    def replay(self, trace: CountTrace) -> Replay:
        """The trace after its history; raises ConfigurationError when nothing is left of it."""
        history_s = self.history_days * 86_400
        if history_s >= trace.duration_s:
            days = f"{trace.duration_s / 86_400:.3g}"
            raise ConfigurationError(f"{self.history_days:g} days of history leave nothing of a trace of {days} days")
        history, later_s = split(trace.arrivals_s(seed=self.seed), begins_s=trace.begins_s, history_s=history_s)
        return Replay(
            name=self.name, history=history, arrivals_s=later_s, begins_s=trace.begins_s + history_s,
            duration_s=trace.duration_s - history_s, seed=self.seed,
        )  # fmt: skip


@scaling.command()
def simulate(
    trace: TraceFile,
    config: Annotated[Path | None, typer.Option(help="Settings of scaling; absent: their defaults.")] = None,
    deployment: Deployment = None,
    history_days: History = 0.0,
    plot: Picture = Path("scaling.png"),
    seed: Seed = 1,
    oracle: Annotated[bool, typer.Option("--oracle", help="Also find the best plan in hindsight; slower.")] = False,
) -> None:
    """Simulate a load under the policy: a table of its cost and its lateness, and a picture of what happened."""
    settings = load_scaling(config) if config else ScalingSettings()
    chosen = Choice(settings=settings, deployment=deployment, history_days=history_days, seed=seed)
    load = chosen.replay(read_counts(trace))
    outcome, rule = load.policy(settings)
    outcomes = {AS_SET: outcome}
    if oracle:
        outcomes[HINDSIGHT] = load.hindsight(settings).cheapest_plan()
        outcomes[FIXED] = load.hindsight(settings).cheapest_static()
    _report(outcomes, load, settings)
    _picture(load, settings, (outcome, rule), plot, title=trace.name)


@scaling.command()
def what_if(
    schedule: Annotated[Path, typer.Argument(help="Settings of scaling with the schedules in question.")],
    trace: Annotated[Path, typer.Option(help="CSV file with a column of times and a column count.")],
    deployment: Deployment = None,
    history_days: History = 0.0,
    plot: Picture = Path("what-if.png"),
    seed: Seed = 1,
) -> None:
    """Simulate a load with and without the schedules of a file: what they cost, and whom they spare waiting."""
    settings = load_scaling(schedule)
    chosen = Choice(settings=settings, deployment=deployment, history_days=history_days, seed=seed)
    load = chosen.replay(read_counts(trace))
    without, _ = load.policy(without_schedules(settings))
    outcome, rule = load.policy(settings)
    _report({"without schedules": without, "with schedules": outcome}, load, settings)
    _picture(load, settings, (outcome, rule), plot, title=f"{trace.name} with {schedule.name}")


def _report(outcomes: dict[str, Outcome], load: Replay, settings: ScalingSettings) -> None:
    rows = {label: Summary.of(outcome) for label, outcome in outcomes.items()}
    Console().print(summary_table(rows, cost_per_hour=_cost_per_hour(load, settings), currency=currency_of(settings)))


def _picture(load: Replay, settings: ScalingSettings, made: tuple[Outcome, Planned], path: Path, *, title: str) -> None:
    outcome, rule = made
    tick_s = scenario_of(profile_in(settings, load.name)).tick_s
    counts, _ = np.histogram(load.arrivals_s, bins=np.arange(len(outcome.target) + 1) * tick_s)
    minute = max(1, min(len(counts), round(60 / tick_s)))
    story = Story(
        outcome=outcome, tick_s=tick_s, rate_per_s=np.convolve(counts, np.full(minute, 1 / (minute * tick_s)), "same"),
        forecast=np.array(rule.forecasts), floor=np.array(rule.floors), cost_per_hour=_cost_per_hour(load, settings),
        currency=currency_of(settings),
    )  # fmt: skip
    draw(story, path, title=f"{title}: {load.name}")
    console = Console(soft_wrap=True)
    for decision in rule.decisions[-3:]:
        console.print(decision.line(), highlight=False, markup=False)
    console.print(f"The picture is in {path}.", highlight=False)


def currency_of(settings: ScalingSettings) -> str:
    """What reports call the money."""
    return settings.budget.currency if settings.budget else "EUR"


def _cost_per_hour(load: Replay, settings: ScalingSettings) -> float:
    return settings.deployments.get(load.name, DeploymentScaling()).gpu_cost_per_hour
