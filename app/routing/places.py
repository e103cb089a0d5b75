"""The room for jobs on one replica, and whether the next one may have some."""

from collections.abc import Iterable

from app.generation import Job


class Places:
    """So many jobs share a replica's steps; as many again may be there paused, behind more urgent ones."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._jobs: dict[str, Job] = {}

    def room_for(self, job: Job) -> int:
        """How many jobs, this one first, may start now; one where it is more urgent than some that run."""
        free = self._count - len(self._jobs)
        if free > 0:
            return free
        overtakes = any(job.deadline_s < running.deadline_s for running in self._jobs.values())
        return int(overtakes and len(self._jobs) < 2 * self._count)

    def fill(self, jobs: Iterable[Job]) -> None:
        """Give the jobs their places."""
        self._jobs.update((job.job_id, job) for job in jobs)

    def leave(self, job_id: str) -> bool:
        """Take a job's place back; false when it had none."""
        return self._jobs.pop(job_id, None) is not None
