"""Errors that cross a process boundary arrive as themselves."""

import pickle

import pytest

from app.errors import DarkroomError, FieldIssue, InvalidInputError, OverloadedError, ReplicaLostError, RouterLostError

pytestmark = pytest.mark.ray

ISSUE = FieldIssue(("body", "image_url"), "no picture", "image_load_error", {"max": 3})
ERRORS = [InvalidInputError((ISSUE,)), OverloadedError("full", 2.5), ReplicaLostError("gone")]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_our_errors_lose_rays_wrapper(error: DarkroomError) -> None:
    """What a replica raised is raised again with its type and everything it carries."""
    from ray.exceptions import RayTaskError

    from deployments.plain_errors import plain_errors

    wrapped = RayTaskError("run", "a remote traceback", pickle.loads(pickle.dumps(error))).as_instanceof_cause()

    with pytest.raises(type(error)) as raised, plain_errors():
        raise wrapped
    assert vars(raised.value) == vars(error)


def test_a_dead_process_is_a_lost_replica() -> None:
    """Ray's own errors about actors become ReplicaLostError."""
    from ray.exceptions import ActorDiedError

    from deployments.plain_errors import plain_errors

    with pytest.raises(ReplicaLostError), plain_errors():
        raise ActorDiedError()


def test_a_dead_router_is_told_from_a_dead_replica() -> None:
    """Whoever calls the router says so."""
    from ray.exceptions import ActorUnavailableError

    from deployments.plain_errors import plain_errors

    with pytest.raises(RouterLostError), plain_errors(RouterLostError):
        raise ActorUnavailableError("Actor is unavailable.", None)


def test_a_call_that_breaks_off_is_a_lost_replica() -> None:
    """In throughput mode calls go by gRPC, which tells of a broken connection in its own words."""
    from grpc import StatusCode
    from grpc.aio import AioRpcError, Metadata

    from deployments.plain_errors import plain_errors

    with pytest.raises(ReplicaLostError), plain_errors():
        raise AioRpcError(StatusCode.UNKNOWN, Metadata(), Metadata(), details="Stream removed")


def test_a_full_handle_is_an_overload() -> None:
    """Serve's back-pressure tells the caller when to come back."""
    from ray.serve.exceptions import BackPressureError

    from deployments.plain_errors import plain_errors

    with pytest.raises(OverloadedError) as raised, plain_errors():
        raise BackPressureError(num_queued_requests=2, max_queued_requests=1)
    assert raised.value.retry_after_s > 0


def test_an_unforeseen_error_stays_what_it_is() -> None:
    """Nothing else is disguised."""
    from deployments.plain_errors import plain_errors

    with pytest.raises(KeyError), plain_errors():
        raise KeyError("x")
