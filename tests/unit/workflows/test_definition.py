"""Documents of workflows, before anything of them runs."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.workflows import (
    DisplayNode,
    FlawedWorkflowError,
    RunNode,
    Workflow,
    input_complaints,
    parse_workflow,
    schema_complaint,
    with_defaults,
)

APPS = frozenset({"draw", "enlarge"})
DRAW = {"id": "draw", "type": "run", "app": "draw", "depends": [], "input": {"prompt": "$input.prompt"}}
ENLARGE = {
    "id": "big",
    "type": "run",
    "app": "enlarge",
    "depends": ["draw"],
    "input": {"image_url": "$draw.images.0.url"},
}
SHOW = {"id": "show", "type": "display", "depends": ["draw"], "fields": ["$draw.images.0.url"]}
OUTPUT = {"picture": "$big.image", "words": "$input.prompt"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["$a.b", "$", "$input.x", "run"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "type", "app"]), inner),
    max_leaves=12,
)


def document(*nodes: dict[str, Any], output: Any = None, **more: Any) -> dict[str, Any]:
    """A document with these nodes."""
    return {"name": "w", "nodes": {node["id"]: node for node in nodes}, "output": output or {"x": "$input.x"}} | more


def flaws(raw: dict[str, Any]) -> str:
    """What is wrong with the document."""
    with pytest.raises(FlawedWorkflowError) as refused:
        parse_workflow(raw, apps=APPS)
    return refused.value.detail


def test_nodes_by_id_or_as_a_list() -> None:
    """Both forms are the same workflow; a node for the input says nothing."""
    nodes = [{"id": "input", "type": "input"}, DRAW, ENLARGE, SHOW]
    workflow = parse_workflow(document(*nodes, output=OUTPUT), apps=APPS)

    assert parse_workflow({"name": "w", "nodes": nodes, "output": OUTPUT}, apps=APPS) == workflow
    assert [type(node) for node in workflow.nodes] == [RunNode, RunNode, DisplayNode]
    assert workflow.apps == APPS


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({}, "nodes: a workflow has nodes"),
        (document(*(DRAW | {"id": f"n{number}"} for number in range(101))), "nodes: a workflow has at most 100"),
        (document(DRAW) | {"output": 1}, "output: a workflow gives an object"),
        (document(DRAW, schema={"input": 3}), "schema: an object"),
        ({"nodes": [3], "output": OUTPUT}, "nodes.0: a node is an object with an id"),
        ({"nodes": [DRAW, DRAW], "output": OUTPUT}, "nodes.draw: there are two nodes of that id"),
        (document(DRAW | {"type": "walk"}), "nodes.draw: type 'walk' is not one of input, run, display"),
        (document(DRAW | {"id": "input"}), "nodes.input: the id input is that of the caller's input"),
        (document(DRAW | {"depends": "draw"}), "nodes.draw.depends: a list of ids"),
        (document(DRAW | {"app": None}), "nodes.draw.app: an endpoint's id"),
        (document(DRAW | {"input": []}), "nodes.draw.input: an object"),
        (document(DRAW | {"app": "no/such"}), "nodes.draw.app: no/such is not served here"),
        (document(DRAW | {"depends": ["gone"]}), "nodes.draw.depends: there is no node gone"),
        (document(ENLARGE | {"depends": []}), "nodes.big: $draw.images.0.url refers to a node that does not exist"),
        (document(DRAW, output={"x": ["$nobody"]}), "output: $nobody refers to a node that does not exist"),
        (document(DRAW | {"input": {"prompt": "$draw..x"}}), "is no reference"),
        (document(DRAW | {"input": {"prompt": "$draw.prompt"}}), "nodes: draw needs draw, which is a circle"),
        (document(DRAW | {"depends": ["big"]}, ENLARGE), "which is a circle"),
    ],
)
def test_flaws(raw: dict[str, Any], words: str) -> None:
    """Each is told with its place."""
    assert words in flaws(raw)


def test_every_flaw_is_told() -> None:
    """All of them at once."""
    assert len(flaws(document(DRAW | {"app": "x", "depends": ["y"]}, output={"z": "$z"})).split("; ")) == 3


@given(JSON)
def test_any_document_is_read_or_refused(raw: Any) -> None:
    """Whatever a caller brings, it is a workflow, or it is refused with words."""
    with suppress(FlawedWorkflowError):
        assert parse_workflow({"nodes": raw, "output": {"x": raw}}, apps=APPS).nodes


def with_schema(schema: dict[str, Any]) -> Workflow:
    """A workflow whose input has that schema."""
    return parse_workflow(document(DRAW, schema={"input": schema, "output": {}}), apps=APPS)


EXPORTED = {
    "type": "object",
    "properties": {"prompt": {"type": "string"}, "steps": {"type": "integer", "default": 4}},
    "required": ["prompt"],
}
EDITED = {"prompt": {"name": "prompt", "type": "string", "required": True}, "steps": {"type": "integer", "default": 4}}


@pytest.mark.parametrize("schema", [EXPORTED, EDITED], ids=["exported", "edited"])
def test_inputs(schema: dict[str, Any]) -> None:
    """An input is held to the schema, in both forms in which fal writes one, and completed by its defaults."""
    workflow = with_schema(schema)

    assert schema_complaint(workflow) is None
    assert list(input_complaints(workflow, {"prompt": 3, "steps": 1})) == [(("prompt",), "3 is not of type 'string'")]
    assert [path for path, _ in input_complaints(workflow, {})] == [()]
    assert with_defaults(workflow, {"prompt": "a"}) == {"prompt": "a", "steps": 4}


@pytest.mark.parametrize("schema", [{"type": "walk"}, {"type": "object", "$ref": "http://localhost:1/x"}])
def test_schemas_that_cannot_be_used(schema: dict[str, Any]) -> None:
    """One that is none is refused, and so is one that leads to another, which nobody fetches."""
    assert "schema.input" in str(schema_complaint(with_schema(schema)))
