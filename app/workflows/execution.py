"""A workflow, carried out: every node as soon as what it needs is there, any number at a time."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from app.errors import DarkroomError, FieldIssue, InvalidInputError
from app.workflows.definition import Json, Node, RunNode, Workflow, needs, values_of
from app.workflows.references import INPUT, MissingValueError, filled, written_size

LONGEST_VALUE = 20_000_000


@dataclass(frozen=True, slots=True)
class Submitted:
    """A node is under way, as the request of that id."""

    node: RunNode
    request_id: str


@dataclass(frozen=True, slots=True)
class Completed:
    """A node is over; a display node gives the values that it shows."""

    node: Node
    output: Any


@dataclass(frozen=True, slots=True)
class Finished:
    """The whole workflow is over."""

    output: Json


@dataclass(frozen=True, slots=True)
class Failed:
    """A node has failed, and the workflow with it."""

    node: Node
    error: DarkroomError


Event = Submitted | Completed | Finished | Failed
Perform = Callable[[RunNode, Json, Callable[[str], None]], Awaitable[Json]]


class NodeError(Exception):
    """What a node could not do."""

    def __init__(self, node: Node, error: DarkroomError) -> None:
        super().__init__(node, error)
        self.node = node
        self.error = error


async def execute(workflow: Workflow, given: Json, perform: Perform) -> AsyncGenerator[Event, None]:
    """Everything that happens, Finished or Failed last; closing the iteration early cancels the nodes under way.

    `perform` calls a node's endpoint with its input and tells the request's id as soon as there is
    one. After the first failure nothing more begins, and what is under way is cancelled.
    """
    events: asyncio.Queue[Event] = asyncio.Queue()
    run = asyncio.create_task(_run(workflow, given, perform, events))
    try:
        while True:
            event = await _next(events, run)
            yield event
            if isinstance(event, Finished | Failed):
                return
    finally:
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)


async def _next(events: asyncio.Queue[Event], run: asyncio.Task[None]) -> Event:
    """The next event; raises what ended the run without one."""
    coming = asyncio.create_task(events.get())
    try:
        await asyncio.wait({coming, run}, return_when=asyncio.FIRST_COMPLETED)
        if not coming.done() and events.empty():
            run.result()
        return await coming
    finally:
        coming.cancel()


async def _run(workflow: Workflow, given: Json, perform: Perform, events: asyncio.Queue[Event]) -> None:
    outputs: dict[str, Any] = {INPUT: given}
    over = {node.node_id: asyncio.Event() for node in workflow.nodes}

    async def one(node: Node) -> None:
        for each in needs(node):
            await over[each].wait()
        outputs[node.node_id] = output = await _output(node, outputs, perform, events)
        events.put_nowait(Completed(node, output))
        over[node.node_id].set()

    try:
        async with asyncio.TaskGroup() as group:
            for node in workflow.nodes:
                group.create_task(one(node))
    except* NodeError as failed:
        first = failed.exceptions[0]
        assert isinstance(first, NodeError)
        events.put_nowait(Failed(first.node, first.error))
    else:
        events.put_nowait(_finished(workflow, outputs))


async def _output(node: Node, outputs: dict[str, Any], perform: Perform, events: asyncio.Queue[Event]) -> Any:
    try:
        values = _filled(values_of(node), outputs, "nodes", node.node_id)
        if not isinstance(node, RunNode):
            return values
        return await perform(node, values, lambda request_id: events.put_nowait(Submitted(node, request_id)))
    except DarkroomError as error:
        raise NodeError(node, error) from error


def _finished(workflow: Workflow, outputs: dict[str, Any]) -> Event:
    try:
        return Finished(_filled(workflow.output, outputs, "output"))
    except InvalidInputError as error:
        return Failed(workflow.nodes[-1], error)


def _filled(value: Any, outputs: dict[str, Any], *place: str) -> Any:
    """The value without references, which may repeat what is long, but not until nobody could read it."""
    try:
        found = filled(value, outputs)
    except MissingValueError as error:
        raise InvalidInputError((FieldIssue(("body", *place), str(error), "value_error"),)) from error
    if written_size(found) > LONGEST_VALUE:
        message = f"The values here have more than {LONGEST_VALUE} characters together"
        raise InvalidInputError((FieldIssue(("body", *place), message, "value_error"),))
    return found
