"""The machines under the replicas: a replica waits for its machine before it starts."""

from app.simulation.scaling.scenario import NodeSpec


class NodePool:
    """Machines filled in order and given back from the end; without a specification there is always room."""

    def __init__(self, spec: NodeSpec | None) -> None:
        self._spec = spec
        self._ready_s: list[float] = []

    def place(self, replica: int, now_s: float) -> float:
        """When the machine of the `replica`-th replica, counted from one, is there."""
        if self._spec is None:
            return now_s
        while replica > self._spec.replicas * len(self._ready_s):
            self._ready_s.append(now_s + self._spec.start_s)
        return max(now_s, self._ready_s[(replica - 1) // self._spec.replicas])

    def keep(self, replicas: int) -> None:
        """Give machines back that `replicas` replicas do not need."""
        if self._spec is not None:
            del self._ready_s[-(-replicas // self._spec.replicas) :]
