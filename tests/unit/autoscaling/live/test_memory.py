"""What outlives the forecaster's process."""

import json
from pathlib import Path

import numpy as np
import pytest
from unit.autoscaling.live.conftest import BEGIN_S, Stage, stage_of

from app.autoscaling.live.arrays import history_arrays, recent_arrays
from app.autoscaling.live.counts import Counts
from app.autoscaling.live.desk import Desk
from app.autoscaling.live.knowledge import Knowledge
from app.autoscaling.live.memory import Memory
from app.autoscaling.live.plan import Seen
from app.config import DarkroomSettings


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    """A memory in a folder that is not there yet."""
    return Memory(tmp_path / "new" / "memory")


@pytest.fixture
def learned(stage: Stage) -> Knowledge:
    """What a planner knows of a model after some minutes of load."""
    stage.seconds(300, counts=lambda second: {"sketch": Counts(arrived=3 * second), "upscaler": Counts()})
    return stage.planner.knowledge()["sketch"]


def same(before: Knowledge, after: Knowledge) -> bool:
    """Whether two say the same, number by number."""
    pairs = [
        (recent_arrays(before), recent_arrays(after)),
        (history_arrays(before.record), history_arrays(after.record)),
    ]
    return all(
        ours.keys() == theirs.keys() and all(np.array_equal(ours[key], theirs[key], equal_nan=True) for key in ours)
        for ours, theirs in pairs
    )


def test_all_is_read_back(memory: Memory, learned: Knowledge) -> None:
    """History, errors, peaks, tuning and money come back number by number, whatever the deployment is called."""
    memory.save_history("a/b", learned)
    memory.save_recent("a/b", learned)

    assert same(learned, memory.load("a/b"))
    assert learned.record.history.known_minutes >= 3


def test_nothing_is_known_of_a_stranger(memory: Memory) -> None:
    """A deployment that was never seen begins without a history and without a policy's state."""
    assert same(memory.load("stranger"), Knowledge())


def test_half_a_memory_is_its_history(memory: Memory, learned: Knowledge) -> None:
    """When only the history is there, it is kept; the policy begins anew."""
    memory.save_history("sketch", learned)
    loaded = memory.load("sketch")

    assert loaded.state is None
    assert loaded.record.history.known_minutes == learned.record.history.known_minutes


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04half"])
def test_a_broken_file_is_no_file(tmp_path: Path, content: bytes, learned: Knowledge) -> None:
    """A file that cannot be read costs what was in it, and no start."""
    memory = Memory(tmp_path)
    memory.save_history("sketch", learned)
    (tmp_path / "sketch.recent.npz").write_bytes(content)
    (tmp_path / "decisions.json").write_bytes(content)

    assert memory.load("sketch").record.history.known_minutes == learned.record.history.known_minutes
    assert memory.load_decisions() == []


def test_no_half_written_file_is_left(tmp_path: Path, learned: Knowledge) -> None:
    """Files take their names only when they are whole."""
    memory = Memory(tmp_path)
    memory.save_recent("sketch", learned)

    assert [path.name for path in tmp_path.iterdir()] == ["sketch.recent.npz"]


class At:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now_s = BEGIN_S

    def __call__(self) -> float:
        """The time that was set."""
        return self.now_s


@pytest.fixture
def settings(tmp_path: Path) -> DarkroomSettings:
    """A graph of one model whose scaling lives below a temporary folder."""
    return DarkroomSettings.model_validate(
        {
            "variants": {"sketch": {"source": "builtin:sketch", "autoscaling": {"min_replicas": 1, "max_replicas": 6}}},
            "endpoints": {"fal-ai/flux/schnell": {"task": "text_to_image", "variant": "sketch"}},
            "scaling": {"file": str(tmp_path / "scaling.yaml"), "memory": str(tmp_path / "memory")},
        }
    )


def passed(desk: Desk, clock: At, seconds: int, *, target: int = 1) -> None:
    """Let so many seconds pass at a desk, with reports from everybody."""
    for _ in range(seconds):
        clock.now_s += 1
        desk.planner.saw({"Model-sketch": Seen(target, target), "Upscaler": Seen(1, 1)})
        desk.planner.counted({"sketch": Counts(), "upscaler": Counts()})
        desk.step()
        desk.keep()


def test_a_file_is_read_again_when_it_changes(settings: DarkroomSettings, tmp_path: Path) -> None:
    """A floor in the file acts with the next plan, a broken edit leaves it and is told, a mended one acts again."""
    clock = At()
    desk = Desk(settings, clock=clock)
    file = tmp_path / "scaling.yaml"
    schedules = [{"name": "all", "at": "2020-01-01T00:00", "for": "36500d", "deployment": "*", "floor": 3}]
    file.write_text(json.dumps({"schedules": schedules}), encoding="utf-8")
    passed(desk, clock, 1)
    assert desk.planner.planned()["sketch"].replicas == 3

    file.write_text("schedules: [{name: broken}]", encoding="utf-8")
    passed(desk, clock, 1, target=3)
    assert desk.planner.planned()["sketch"].replicas == 3
    assert "schedules.0" in desk.status()["problem"]

    file.write_text(json.dumps({"schedules": [schedules[0] | {"floor": 2}]}), encoding="utf-8")
    passed(desk, clock, 1, target=3)
    assert {floor.replicas for floor in desk.planner.planned()["sketch"].floors} == {2}
    assert desk.status()["problem"] == ""


def test_a_desk_goes_on_where_the_last_one_ended(settings: DarkroomSettings, tmp_path: Path) -> None:
    """Decisions and minutes of a desk are there again when another is opened on the same folder."""
    clock = At()
    desk = Desk(settings, clock=clock)
    (tmp_path / "scaling.yaml").write_text(
        json.dumps({"schedules": [{"name": "all", "at": "2020-01-01T00:00", "for": "36500d", "floor": 2}]}),
        encoding="utf-8",
    )
    passed(desk, clock, 200)
    again = Desk(settings, clock=clock)

    assert list(again.planner.decisions) == list(desk.planner.decisions) != []
    kept, known = again.planner.knowledge()["sketch"], desk.planner.knowledge()["sketch"]
    assert kept.record.history.known_minutes == known.record.history.known_minutes >= 2


def test_the_report_has_its_shape(settings: DarkroomSettings) -> None:
    """The report names the mode, every deployment with its terms, and the decisions."""
    clock = At()
    desk = Desk(settings, clock=clock)
    passed(desk, clock, 1)
    report = desk.status()

    assert report["mode"] == "act"
    assert report["at_s"] == clock.now_s
    sketch = report["deployments"]["sketch"]
    assert (sketch["running"], sketch["target"], sketch["stale"]) == (1, 1, False)
    assert {"term", "replicas", "reason"} == sketch["terms"][0].keys()
    assert {"burst", "trend", "forecast", "queue", "hold"} == {each["term"] for each in sketch["terms"]}


def test_tuning_begins_anew_with_other_candidates(memory: Memory, learned: Knowledge, tmp_path: Path) -> None:
    """What was tuned for another set of candidates is forgotten, and the history is not."""
    memory.save_history("sketch", learned)
    arrays = {**recent_arrays(learned), "tuner_cost": np.zeros(3)}
    np.savez(tmp_path / "new" / "memory" / "sketch.recent.npz", allow_pickle=False, **arrays)

    assert memory.load("sketch").state is None
    assert stage_of(knowledge={"sketch": memory.load("sketch")}).quiet(1).deployments
