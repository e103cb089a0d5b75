"""What Ray Serve is told about the deployments."""

import pytest

from app.config import VariantSettings

pytestmark = pytest.mark.ray


def test_slots_of_dead_routers_take_no_room_from_jobs() -> None:
    """A router that is killed never gives back what it held on a replica, and fifty may die before that one does."""
    from deployments.options import idle_slots, most_calls

    settings = VariantSettings(source="builtin:sketch-fast", max_batch=8)
    jobs, living, dead = 2 * settings.max_batch, idle_slots(settings), 50 * idle_slots(settings)

    assert most_calls(settings) >= jobs + living + dead
