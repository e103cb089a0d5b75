"""`darkroom scaling`: what a load would cost under the scaling policy, and what a schedule would change about it."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from app.autoscaling.building import build_forecast, build_profile
from app.autoscaling.history import CountHistory
from app.config.autoscaling import ScalingSettings, load_scaling
from app.errors import ConfigurationError
from app.simulation.scaling.arrivals import Series
from app.simulation.scaling.outcome import Outcome
from app.simulation.scaling.oracle import Hindsight
from app.simulation.scaling.planned import Planned
from app.simulation.scaling.plot import Story, draw
from app.simulation.scaling.scenario import NodeSpec, Scenario
from app.simulation.scaling.simulate import Load, simulate_one
from app.simulation.scaling.trace import CountTrace, read_counts, split

scaling = typer.Typer(help="Replay loads under the scaling policy.", no_args_is_help=True)

TraceFile = Annotated[Path, typer.Argument(help="CSV file with a column of times and a column count.")]
SettingsFile = Annotated[Path | None, typer.Option("--config", help="Settings of scaling; absent: their defaults.")]
Deployment = Annotated[str | None, typer.Option(help="Which deployment of the settings; absent: the first.")]
History = Annotated[float, typer.Option(min=0.0, help="Days at the begin of the trace that are only learned from.")]
Picture = Annotated[Path, typer.Option("--plot", help="Where the picture goes.")]
Seed = Annotated[int, typer.Option(min=0, help="Where the randomness starts.")]


@scaling.command()
def simulate(
    trace: TraceFile,
    config: SettingsFile = None,
    deployment: Deployment = None,
    history_days: History = 0.0,
    plot: Picture = Path("scaling.png"),
    seed: Seed = 1,
    oracle: Annotated[bool, typer.Option("--oracle", help="Also find the best plan in hindsight; slower.")] = False,
) -> None:
    """Simulate a load under the policy: a table of its cost and its lateness, and a picture of what happened."""
    settings = load_scaling(config) if config else ScalingSettings()
    replay = _Replay(read_counts(trace), settings, deployment, history_days=history_days, seed=seed)
    outcome, rule = replay.run(settings)
    rows = {"policy": outcome}
    if oracle:
        rows["best in hindsight"] = replay.hindsight().cheapest_plan()
        rows["fixed number"] = replay.hindsight().cheapest_static()
    replay.report(rows)
    replay.draw(outcome, rule, plot, title=trace.name)


@scaling.command()
def what_if(
    schedule: Annotated[Path, typer.Argument(help="Settings of scaling with the schedules in question.")],
    trace: Annotated[Path, typer.Option(help="CSV file with a column of times and a column count.")],
    deployment: Deployment = None,
    history_days: History = 0.0,
    plot: Picture = Path("what-if.png"),
    seed: Seed = 1,
) -> None:
    """Simulate a load with and without the schedules of a file: what they cost, and what they save anyone from."""
    settings = load_scaling(schedule)
    replay = _Replay(read_counts(trace), settings, deployment, history_days=history_days, seed=seed)
    without, _ = replay.run(settings.model_copy(update={"schedules": ()}))
    outcome, rule = replay.run(settings)
    replay.report({"without schedules": without, "with schedules": outcome})
    replay.draw(outcome, rule, plot, title=f"{trace.name} with {schedule.name}")


class _Replay:
    """One deployment of the settings under the load of one trace."""

    def __init__(
        self, trace: CountTrace, settings: ScalingSettings, deployment: str | None, *, history_days: float, seed: int
    ) -> None:
        self._name = deployment or next(iter(settings.deployments))
        if self._name not in settings.deployments:
            raise ConfigurationError(f"no deployment {self._name!r}; known: {', '.join(sorted(settings.deployments))}")
        history_s = history_days * 86_400
        if history_s >= trace.duration_s:
            raise ConfigurationError(f"{history_days:g} days of history leave nothing of {trace.duration_s / 86_400:g}")
        self._own, self._seed = settings.deployments[self._name], seed
        self._currency = settings.budget.currency if settings.budget else "EUR"
        self._history, arrivals_s = _parted(trace, history_s, seed=seed)
        self._begins_s = trace.begins_s + history_s
        self._duration_s = trace.duration_s - history_s
        self._load = Load(scenario=_scenario(self._name, settings), arrivals_s=arrivals_s)

    def run(self, settings: ScalingSettings) -> tuple[Outcome, Planned]:
        """The outcome under the policy, and the policy with what it decided."""
        profile = build_profile(self._name, settings)
        rule = Planned(profile, self._history, begins_s=self._begins_s, forecast=build_forecast(settings))
        return simulate_one(self._load, rule, duration_s=self._duration_s, seed=self._seed), rule

    def hindsight(self) -> Hindsight:
        """Who knows the load beforehand."""
        return Hindsight(load=self._load, duration_s=self._duration_s, seed=self._seed)

    def report(self, outcomes: dict[str, Outcome]) -> None:
        """Print a row for each outcome."""
        table = Table("", "requests", "in time", "GPU-hours", self._currency, "cold starts", "most replicas")
        for name, outcome in outcomes.items():
            cost = outcome.gpu_hours * self._own.gpu_cost_per_hour
            table.add_row(
                name, f"{outcome.requests:,}", f"{outcome.attainment:.2%}", f"{outcome.gpu_hours:.1f}", f"{cost:.0f}",
                str(outcome.cold_starts), str(outcome.target.max(initial=0)),
            )  # fmt: skip
        Console().print(table)

    def draw(self, outcome: Outcome, rule: Planned, path: Path, *, title: str) -> None:
        """Write the picture of an outcome and say where it is."""
        scenario = self._load.scenario
        edges = np.arange(len(outcome.target) + 1) * scenario.tick_s
        counts, _ = np.histogram(self._load.arrivals_s, bins=edges)
        minute = max(1, round(60 / scenario.tick_s))
        rate = np.convolve(counts, np.full(minute, 1 / (minute * scenario.tick_s)), mode="same")
        story = Story(
            outcome=outcome, tick_s=scenario.tick_s, rate_per_s=rate[: len(counts)], forecast=np.array(rule.forecasts),
            floor=np.array(rule.floors), cost_per_hour=self._own.gpu_cost_per_hour, currency=self._currency,
        )  # fmt: skip
        draw(story, path, title=f"{title}: {self._name}")
        console = Console(soft_wrap=True)
        for decision in rule.decisions[-3:]:
            console.print(decision.line(), highlight=False, markup=False)
        console.print(f"The picture is in {path}.", highlight=False)


def _parted(trace: CountTrace, history_s: float, *, seed: int) -> tuple[CountHistory, Series]:
    return split(trace.arrivals_s(seed=seed), begins_s=trace.begins_s, history_s=history_s)


def _scenario(name: str, settings: ScalingSettings) -> Scenario:
    own, profile = settings.deployments[name], build_profile(name, settings)
    return Scenario(
        curve=profile.curve, cold_start_s=own.cold_start_s, objective_s=profile.objective_s, min_replicas=own.min,
        max_replicas=own.max, nodes=NodeSpec(replicas=1, start_s=own.node_start_s) if own.node_start_s else None,
    )  # fmt: skip
