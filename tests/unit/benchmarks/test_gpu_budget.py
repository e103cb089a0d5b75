"""Phases of the GPU benchmark: in order, within their time, none at the mercy of another."""

from collections.abc import Callable, Iterator

from benchmarks.gpu.budget import Budget, Phase, run_phases
from benchmarks.gpu.sheets import Sheet
from fakes import FakeClock

from app.errors import ConfigurationError

SHEET = Sheet(title="found", columns=("what",), rows=(("something",),))


class Listener:
    """Writes down what it hears."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def add(self, sheet: Sheet) -> None:
        """Something was found."""
        self.heard.append(sheet.title)

    def measured(self, phase: str, seconds: float) -> None:
        """A phase came to its end."""
        self.heard.append(f"{phase} took {seconds:.0f}")

    def skipped(self, phase: str, reason: str) -> None:
        """A phase was left out."""
        self.heard.append(f"{phase} skipped: {reason}")

    def failed(self, phase: str, error: Exception) -> None:
        """A phase broke off."""
        self.heard.append(f"{phase} failed: {error}")


class Bench:
    """A budget of a hundred seconds and phases that take what they say."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.budget = Budget(100.0, clock=self.clock)
        self.listener = Listener()

    def phase(self, name: str, need_s: float, error: Exception | None = None) -> Phase:
        """A phase that finds one sheet, and then fails where an error is given."""
        return Phase(name=name, need_s=need_s, work=self._work(need_s, error))

    def run(self, *phases: Phase) -> list[str]:
        """What was heard of them."""
        run_phases(phases, self.budget, self.listener)
        return self.listener.heard

    def _work(self, need_s: float, error: Exception | None) -> Callable[[], Iterator[Sheet]]:
        def work() -> Iterator[Sheet]:
            self.clock.now_s += need_s
            yield SHEET
            if error is not None:
                raise error

        return work


def test_a_phase_is_heard_of_when_it_has_found_something() -> None:
    """Its sheets come first, then how long it took."""
    bench = Bench()
    assert bench.run(bench.phase("a", 30), bench.phase("b", 50)) == ["found", "a took 30", "found", "b took 50"]


def test_a_phase_without_time_is_skipped_and_later_ones_are_not() -> None:
    """The reason says what it needs and what is left; a shorter phase still fits."""
    bench = Bench()
    heard = bench.run(bench.phase("long", 80), bench.phase("longer", 90), bench.phase("short", 20))
    assert heard[2:] == ["longer skipped: needs about 90 s, 20 s are left", "found", "short took 20"]


def test_a_phase_that_cannot_be_measured_here_says_why() -> None:
    """What this machine does not have is no failure."""
    bench = Bench()
    assert bench.run(bench.phase("fp8", 1, ConfigurationError("no such GPU")))[1:] == ["fp8 skipped: no such GPU"]


def test_a_phase_that_breaks_takes_no_other_with_it() -> None:
    """What it had found stays found, and the next one is measured."""
    bench = Bench()
    heard = bench.run(bench.phase("a", 1, ValueError("broken")), bench.phase("b", 1))
    assert heard == ["found", "a failed: broken", "found", "b took 1"]


def test_nothing_is_left_of_a_spent_budget() -> None:
    """Not even less than nothing."""
    bench = Bench()
    bench.clock.now_s += 150
    assert bench.budget.left_s == 0
    assert bench.budget.refusal(0) is None
