"""Streams of requests as people send them: popular prompts, sessions of edits, wordings, seeds, tenants, crowds."""

from app.simulation.workload.asking import Ask, Change
from app.simulation.workload.setting import Workload
from app.simulation.workload.stream import stream

__all__ = ["Ask", "Change", "Workload", "stream"]
