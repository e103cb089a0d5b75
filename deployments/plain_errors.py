"""Ray's wrappers taken off every error that crosses a process boundary."""

from collections.abc import Iterator
from contextlib import contextmanager

from grpc import RpcError
from ray.exceptions import RayError, RayTaskError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, RayServeException

from app.errors import DarkroomError, OverloadedError, ReplicaLostError

RETRY_AFTER_S = 1.0


@contextmanager
def plain_errors(lost: type[ReplicaLostError] = ReplicaLostError) -> Iterator[None]:
    """Raise our own errors as themselves, and `lost` for a process that cannot be reached.

    Throughput mode calls by gRPC, whose own errors come through where a connection breaks off.
    """
    try:
        yield
    except RayTaskError as error:
        if isinstance(error.cause, DarkroomError):
            raise error.cause from None
        raise
    except BackPressureError as error:
        raise OverloadedError("the server is at its limit", RETRY_AFTER_S) from error
    except (RayError, DeploymentUnavailableError, RayServeException, RpcError) as error:
        raise lost("a process on the way to the picture was lost") from error
