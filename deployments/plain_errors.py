"""Ray's wrappers taken off every error that crosses a process boundary."""

from collections.abc import Iterator
from contextlib import contextmanager

from ray.exceptions import RayActorError, RayTaskError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, RayServeException

from app.errors import DarkroomError, OverloadedError, ReplicaLostError

RETRY_AFTER_S = 1.0


@contextmanager
def plain_errors() -> Iterator[None]:
    """Raise our own errors as themselves, and a lost process as ReplicaLostError."""
    try:
        yield
    except RayTaskError as error:
        if isinstance(error.cause, DarkroomError):
            raise error.cause from None
        raise
    except BackPressureError as error:
        raise OverloadedError("the server is at its limit", RETRY_AFTER_S) from error
    except (RayActorError, DeploymentUnavailableError, RayServeException) as error:
        raise ReplicaLostError("the process that made the picture was lost") from error
