"""The room for jobs on one replica."""

from fakes import make_job

from app.routing.places import Places


def filled(count: int, jobs: int, deadline_s: float = 1060.0) -> Places:
    """A replica with that many places and jobs."""
    places = Places(count)
    places.fill(make_job(f"job-{number}", deadline_s=deadline_s) for number in range(jobs))
    return places


def test_free_places_are_offered() -> None:
    """As many jobs may start as places are free."""
    assert filled(4, 1).room_for(make_job("new")) == 3


def test_a_full_replica_has_no_room_for_its_like() -> None:
    """A job that is no more urgent than those that run waits."""
    assert filled(2, 2).room_for(make_job("new", deadline_s=1060.0)) == 0


def test_a_more_urgent_job_has_room_on_a_full_replica() -> None:
    """One at a time, it takes the place of a less urgent one."""
    assert filled(2, 2).room_for(make_job("urgent", deadline_s=1010.0)) == 1


def test_there_are_never_more_than_twice_the_places() -> None:
    """However urgent, beyond that a job waits in the queue, where it can still go elsewhere."""
    assert filled(2, 4).room_for(make_job("urgent", deadline_s=1010.0)) == 0


def test_a_place_is_left_once() -> None:
    """Leaving says whether there was a place."""
    places = filled(1, 1)
    assert places.leave("job-0")
    assert not places.leave("job-0")
    assert places.room_for(make_job("new")) == 1
