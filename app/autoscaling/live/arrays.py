"""Knowledge as named arrays of numbers, which can be stored without trusting whoever wrote the file."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.autoscaling.budget import Spending
from app.autoscaling.forecast.record import Errors, ForecastRecord
from app.autoscaling.history import CountHistory
from app.autoscaling.hold import RecentPeaks, Silences
from app.autoscaling.live.branch import Branch
from app.autoscaling.live.knowledge import Knowledge, MinuteCount
from app.autoscaling.live.starts import Starts
from app.autoscaling.measure import ArrivalWindow
from app.autoscaling.policy import PolicyState
from app.autoscaling.setting import CANDIDATES
from app.autoscaling.tuning import Tuner

Arrays = Mapping[str, NDArray[Any]]
_RINGS = tuple(each.name for each in fields(Tuner) if each.name not in ("steps", "arrived", "choice"))


def history_arrays(record: ForecastRecord) -> Arrays:
    """What changes once a minute."""
    return {
        "first_minute": np.array(record.history.first_minute), "counts": record.history.counts,
        "ours": record.errors.ours, "persistence": record.errors.persistence, "covered": record.errors.covered,
        "issued": np.array([(due, *numbers) for due, numbers in record.issued]).reshape(-1, 4),
    }  # fmt: skip


def record_of(arrays: Arrays) -> ForecastRecord:
    """The record as it was, its model aside; raises KeyError or ValueError for arrays of another form."""
    issued = tuple((int(due), (a, b, c)) for due, a, b, c in arrays["issued"].tolist())
    errors = Errors(arrays["ours"], arrays["persistence"], arrays["covered"])
    return ForecastRecord(
        CountHistory(int(arrays["first_minute"]), np.asarray(arrays["counts"], float)), errors=errors, issued=issued
    )


def recent_arrays(knowledge: Knowledge) -> Arrays:
    """What changes from decision to decision; nothing of the policy while it has not decided."""
    minute, branch = knowledge.minute, knowledge.branch
    arrays: dict[str, NDArray[Any]] = {
        "minute": np.array([minute.minute, minute.begin, minute.is_whole]),
        "branch": np.array([branch.arrived, branch.ratio, branch.weight, *branch.seen]),
        "starts_s": np.array(knowledge.starts.taken_s),
    }
    return arrays | (_state_arrays(knowledge.state) if knowledge.state is not None else {})


def knowledge_of(recent: Arrays, record: ForecastRecord) -> Knowledge:
    """The knowledge as it was; raises KeyError or ValueError for arrays of another form."""
    minute, begin, is_whole = recent["minute"].tolist()
    arrived, ratio, weight, *seen = recent["branch"].tolist()
    outside, heads, finished, went_on = map(int, seen)
    return Knowledge(
        state=_state_of(recent) if "totals" in recent else None, record=record,
        minute=MinuteCount(int(minute), int(begin), bool(is_whole)),
        branch=Branch(arrived=arrived, ratio=ratio, weight=weight, seen=(outside, heads, finished, went_on)),
        starts=Starts(taken_s=tuple(recent["starts_s"].tolist())),
    )  # fmt: skip


def _state_arrays(state: PolicyState) -> dict[str, NDArray[Any]]:
    tuner, spending = state.tuner, state.spending
    return {
        "totals": state.arrivals.totals, "window": np.array([state.arrivals.step, state.arrivals.counter]),
        "last_arrival_s": np.array(state.silences.last_arrival_s), "silences_s": np.array(state.silences.lengths_s),
        "peaks": np.array(state.peaks.peaks).reshape(-1, 2),
        "spending": np.array([spending.day, spending.replica_s, spending.until_s]),
        "tuner": np.array([tuner.steps, tuner.arrived, CANDIDATES.index(tuner.choice)]),
        **{f"tuner_{name}": getattr(tuner, name) for name in _RINGS},
    }  # fmt: skip


def _state_of(arrays: Arrays) -> PolicyState:
    step, counter = arrays["window"].tolist()
    day, replica_s, until_s = arrays["spending"].tolist()
    steps, arrived, choice = arrays["tuner"].tolist()
    rings = {name: arrays[f"tuner_{name}"] for name in _RINGS}
    if any(ring.shape[-1] != len(CANDIDATES) for ring in rings.values()):
        raise ValueError("another set of candidates")
    return PolicyState(
        arrivals=ArrivalWindow(int(step), arrays["totals"], int(counter)),
        silences=Silences(float(arrays["last_arrival_s"]), tuple(arrays["silences_s"].tolist())),
        peaks=RecentPeaks(tuple((at_s, int(replicas)) for at_s, replicas in arrays["peaks"].tolist())),
        tuner=Tuner(steps=int(steps), arrived=arrived, choice=CANDIDATES[int(choice)], **rings),
        spending=Spending(int(day), replica_s, until_s),
    )  # fmt: skip
