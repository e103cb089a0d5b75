"""Which stored prompts are near to a new one: the index nominates, and never decides.

An exact index serves small namespaces and a graph serves large ones, behind one contract; a journal and snapshots bring
either back after a crash.
"""

from app.cache.index.contract import NominationIndex, Nominee, SavedIndex
from app.cache.index.durable import DurableIndex
from app.cache.index.flat import FlatIndex
from app.cache.index.graph import GraphIndex
from app.cache.index.growing import GrowingIndex

__all__ = ["DurableIndex", "FlatIndex", "GraphIndex", "GrowingIndex", "NominationIndex", "Nominee", "SavedIndex"]
