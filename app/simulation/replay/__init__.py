"""What caches would have made of a stream of requests: policies beside each other, with pictures that are really drawn.

One device draws pictures one after the other and takes what was measured; a policy says what each request gets.
"""

from app.simulation.replay.contract import Answer, Artist, Beginning, Draw, Drawing, Hit, Join, Made, Policy
from app.simulation.replay.device import DeviceCosts
from app.simulation.replay.loop import replay
from app.simulation.replay.outcome import Outcome, Served

__all__ = [
    "Answer",
    "Artist",
    "Beginning",
    "DeviceCosts",
    "Draw",
    "Drawing",
    "Hit",
    "Join",
    "Made",
    "Outcome",
    "Policy",
    "Served",
    "replay",
]
