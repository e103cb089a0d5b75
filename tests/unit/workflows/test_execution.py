"""What happens when a workflow is carried out."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest
from fakes import settle

from app.errors import GenerationFailedError, InvalidInputError
from app.workflows import Completed, Event, Failed, Finished, RunNode, Submitted, execute, parse_workflow


def run_node(node_id: str, *depends: str, **given: Any) -> dict[str, Any]:
    """A node that runs."""
    return {"id": node_id, "type": "run", "app": "app", "depends": list(depends), "input": given}


class Endpoint:
    """Echoes its input as `got`; by node, `held` ones wait for `release`, `failing` ones fail."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.stopped: list[str] = []
        self.held: set[str] = set()
        self.failing: set[str] = set()
        self.release = asyncio.Event()

    async def __call__(self, node: RunNode, values: dict[str, Any], tell: Callable[[str], None]) -> dict[str, Any]:
        """Perform one node."""
        self.begun.append(node.node_id)
        tell(f"r-{node.number}")
        if node.node_id in self.held:
            try:
                await self.release.wait()
            except asyncio.CancelledError:
                self.stopped.append(node.node_id)
                raise
        if node.node_id in self.failing:
            raise GenerationFailedError("no more memory")
        return {"got": values}


async def events_of(nodes: list[dict[str, Any]], endpoint: Endpoint, *, output: Any, given: Any = None) -> list[Event]:
    """Everything that happens."""
    workflow = parse_workflow({"nodes": nodes, "output": output}, apps={"app"})
    return [event async for event in execute(workflow, given or {}, endpoint)]


def told(events: list[Event]) -> list[str]:
    """The events in short."""
    names = {Submitted: "submit", Completed: "completion", Failed: "error"}
    return [f"{names[type(each)]} {each.node.node_id}" for each in events if not isinstance(each, Finished)]


async def test_values_flow_along_the_references() -> None:
    """Each node is given what it refers to, in lists and objects at any depth; the output is made of all."""
    nodes = [run_node("b", list=["$a.got.prompt", {"deep": "$input.n"}]), run_node("a", prompt="$input.words")]
    *_, last = await events_of(nodes, Endpoint(), output={"all": "$b", "n": "$input.n"}, given={"words": "x", "n": 3})

    assert last == Finished({"all": {"got": {"list": ["x", {"deep": 3}]}}, "n": 3})


async def test_order() -> None:
    """A node begins when those that it names or refers to are over, and tells when it does and when it is over."""
    nodes = [run_node("c", "b"), run_node("b", x="$a.got"), run_node("a")]
    events = await events_of(nodes, Endpoint(), output={"x": "$c"})

    assert told(events) == ["submit a", "completion a", "submit b", "completion b", "submit c", "completion c"]


async def test_independent_nodes_run_together() -> None:
    """Nodes that need nothing of each other do not wait for each other."""
    endpoint = Endpoint()
    endpoint.held = {"a", "b"}
    work = asyncio.create_task(events_of([run_node("a"), run_node("b")], endpoint, output={"x": "$a", "y": "$b"}))
    await settle()
    assert endpoint.begun == ["a", "b"]
    endpoint.release.set()
    assert isinstance((await work)[-1], Finished)


async def test_inputs_that_were_left_out() -> None:
    """A field that refers to one is left out of the node's input."""
    *_, last = await events_of(
        [run_node("a", prompt="x", seed="$input.seed", size={"width": "$input.w"})], Endpoint(), output={"x": "$a.got"}
    )
    assert last == Finished({"x": {"prompt": "x", "size": {}}})


async def test_display_nodes_show_values() -> None:
    """Their values are told when they are there; nothing is run for them."""
    shown = {"id": "show", "type": "display", "depends": ["a"], "fields": ["$a.got.prompt"]}
    endpoint = Endpoint()
    events = await events_of([run_node("a", prompt="x"), shown], endpoint, output={"x": "$a"})

    assert [event.output for event in events if isinstance(event, Completed)] == [{"got": {"prompt": "x"}}, ["x"]]
    assert endpoint.begun == ["a"]


async def test_the_first_failure_ends_it() -> None:
    """The error of a node is the last event; what is under way is stopped, and nothing more begins."""
    endpoint = Endpoint()
    endpoint.held, endpoint.failing = {"slow"}, {"bad"}
    nodes = [run_node("slow"), run_node("bad"), run_node("after", "bad")]
    events = await events_of(nodes, endpoint, output={"x": "$after"})

    assert told(events)[-1] == "error bad"
    assert isinstance(events[-1], Failed)
    assert events[-1].error.detail == "no more memory"
    assert (endpoint.begun, endpoint.stopped) == (["slow", "bad"], ["slow"])


@pytest.mark.parametrize(
    ("nodes", "output"),
    [
        ([run_node("a"), run_node("b", x="$a.images.0")], {"x": "$b"}),
        ([run_node("a", y=[1])], {"x": "$a.got.y.1"}),
    ],
)
async def test_values_that_do_not_exist(nodes: list[dict[str, Any]], output: Any) -> None:
    """A reference to what a node did not give ends the workflow with its words."""
    last = (await events_of(nodes, Endpoint(), output=output))[-1]

    assert isinstance(last, Failed)
    assert isinstance(last.error, InvalidInputError)
    assert "does not exist" in last.error.detail


async def test_values_that_repeat_themselves_for_ever() -> None:
    """Nodes that show each other's values twice, over and over, end the workflow before anybody has to read them."""

    def shown(number: int) -> dict[str, Any]:
        before = f"$show-{number - 1}" if number else "$input.words"
        return {"id": f"show-{number}", "type": "display", "fields": [before, before]}

    nodes = [shown(number) for number in range(60)]
    last = (await events_of(nodes, Endpoint(), output={"x": "$show-59"}, given={"words": "ha"}))[-1]

    assert isinstance(last, Failed)
    assert "characters" in last.error.detail


async def test_whoever_leaves_stops_the_nodes() -> None:
    """Nothing goes on when nobody wants the events any more."""
    endpoint = Endpoint()
    endpoint.held = {"a"}
    workflow = parse_workflow({"nodes": [run_node("a")], "output": {"x": "$a"}}, apps={"app"})
    async with aclosing(execute(workflow, {}, endpoint)) as events:
        async for _ in events:
            break
    assert endpoint.stopped == ["a"]


async def test_what_nobody_foresaw_is_raised() -> None:
    """An exception that is no error of ours ends the iteration with it."""

    async def broken(node: RunNode, values: dict[str, Any], tell: Callable[[str], None]) -> dict[str, Any]:
        raise RuntimeError("a bug")

    workflow = parse_workflow({"nodes": [run_node("a")], "output": {"x": "$a"}}, apps={"app"})
    with pytest.raises(ExceptionGroup):
        async for _ in execute(workflow, {}, broken):
            pass
