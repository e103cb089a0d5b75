"""A queued request is worked on until it is done: nobody is there to ask a second time."""

import logging
import math
from collections.abc import Awaitable, Callable

from app.compound import CompoundRequest, QueuedRequest
from app.errors import (
    DarkroomError,
    GenerationFailedError,
    OverloadedError,
    ReplicaLostError,
    RouterLostError,
    StartTimeoutError,
)
from app.generation import Generation, GenerationRequest
from app.handling import MOST_ATTEMPTS, Retries

logger = logging.getLogger(__name__)

LOST_REPLICA_PAUSE_S = 1.0
MOST_DIRECTORS = 100

Work = Callable[[float], Awaitable[Generation]]


class Patience:
    """Does the work of a queued request again, with the same seeds, when it failed for a reason that may pass.

    While there is no room for it, or nobody to ask for some, it waits, as long as its caller allows.
    """

    def __init__(
        self, *, max_attempts: int, clock: Callable[[], float], sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        self._max_attempts = max_attempts
        self._clock = clock
        self._sleep = sleep

    async def perform(self, request: GenerationRequest, work: Work, arrival_s: float) -> Generation:
        """The generation; raises the error that does not pass, or the last of those that were allowed."""
        failures: list[DarkroomError] = []
        while True:
            try:
                return await self._when_there_is_room(request, work, arrival_s)
            except GenerationFailedError as error:
                failures.append(error)
                if not may_try_again(failures, request.handling.retries, max_attempts=self._max_attempts):
                    raise
                logger.warning("request %s failed, attempt %d: %s", request.request_id, len(failures), error)
                await self._sleep(len(failures) * LOST_REPLICA_PAUSE_S)

    async def _when_there_is_room(self, request: GenerationRequest, work: Work, arrival_s: float) -> Generation:
        give_up_s = math.inf if request.start_timeout_s is None else arrival_s + request.start_timeout_s
        while True:
            try:
                return await work(arrival_s)
            except (OverloadedError, RouterLostError) as error:
                left_s = give_up_s - self._clock()
                if left_s <= 0:
                    raise StartTimeoutError("there was no room for the request in the time allowed") from error
                await self._sleep(min(error.retry_after_s, left_s))


def may_try_again(failures: list[DarkroomError], retries: Retries, *, max_attempts: int) -> bool:
    """Whether a request that has failed so, the last time just now, is tried once more.

    A lost process is no fault of the request, so it is usually tried `max_attempts` times; what the
    model itself could not do is tried again only where the caller wants it.
    """
    is_lost = isinstance(failures[-1], ReplicaLostError)
    alike = sum(isinstance(failure, ReplicaLostError) == is_lost for failure in failures)
    allowed = most_lost(retries, max_attempts=max_attempts) if is_lost else retries.server_error or 0
    return alike <= allowed and len(failures) < MOST_ATTEMPTS


def may_begin_again(request: QueuedRequest, deaths: int, *, max_attempts: int) -> bool:
    """Whether a request is taken over after so many processes have died that worked on it.

    One that is made of others lives long and has seen many processes come and go; its parts are limited.
    """
    if isinstance(request, CompoundRequest):
        return deaths < MOST_DIRECTORS
    return deaths <= most_lost(request.handling.retries, max_attempts=max_attempts)


def most_lost(retries: Retries, *, max_attempts: int) -> int:
    """After how many lost processes the request is still begun again."""
    return max_attempts - 1 if retries.connection_error is None else retries.connection_error
