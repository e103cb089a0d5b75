"""No cache: every picture is drawn."""

from app.simulation.replay.contract import Answer, Draw, Made
from app.simulation.workload import Ask


class NoCache:
    """Remembers nothing."""

    name = "none"
    byte_count = 0

    async def ask(self, ask: Ask) -> Answer:
        """A picture of its own."""
        return Draw()

    async def begin(self, ask: Ask) -> None:
        """At noise."""

    async def learn(self, ask: Ask, made: Made) -> None:
        """Nothing."""
