"""The document of a workflow, read and checked before anything of it runs."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any

from app.errors import DarkroomError
from app.workflows.references import INPUT, references_in

MOST_NODES = 100
_TYPES = ("input", "run", "display")

Json = dict[str, Any]


class FlawedWorkflowError(DarkroomError):
    """The workflow cannot be carried out as it is written; `flaws` has a line for each reason."""

    def __init__(self, flaws: tuple[str, ...]) -> None:
        DarkroomError.__init__(self, "; ".join(flaws))
        self.args = (flaws,)
        self.flaws = flaws


@dataclass(frozen=True, slots=True, kw_only=True)
class RunNode:
    """A call of the endpoint `app`; `number` is its place in the document."""

    node_id: str
    number: int
    depends: frozenset[str]
    app: str
    input: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class DisplayNode:
    """Values that are shown as soon as they are there."""

    node_id: str
    number: int
    depends: frozenset[str]
    fields: Any


Node = RunNode | DisplayNode


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """Nodes without a cycle whose references all lead somewhere, and what the whole gives."""

    name: str
    nodes: tuple[Node, ...]
    output: Json
    input_schema: Json = field(default_factory=dict)
    output_schema: Json = field(default_factory=dict)

    @property
    def apps(self) -> frozenset[str]:
        """The endpoints that it calls."""
        return frozenset(node.app for node in self.nodes if isinstance(node, RunNode))


def parse_workflow(document: Mapping[str, Any], *, apps: Collection[str]) -> Workflow:
    """The workflow of a document in fal's format; `apps` are the endpoints that may be called.

    Nodes come by their ids, or as a list. Raises FlawedWorkflowError with everything that is wrong.
    """
    found = list(_described(document))
    raw = [node for node in found if not isinstance(node, str)]
    flaws = [node for node in found if isinstance(node, str)]
    flaws += [flaw for node_id, node in raw for flaw in _node_flaws(node_id, node)]
    if flaws:
        raise FlawedWorkflowError(tuple(flaws))
    nodes = tuple(_node(number, node_id, node) for number, (node_id, node) in enumerate(raw) if node["type"] != "input")
    schema = document.get("schema") or {}
    workflow = Workflow(
        name=str(document.get("name", "")),
        nodes=nodes,
        output=document["output"],
        input_schema=schema.get("input") or {},
        output_schema=schema.get("output") or {},
    )
    if flaws := list(_graph_flaws(workflow, apps)):
        raise FlawedWorkflowError(tuple(flaws))
    return workflow


def _described(document: Mapping[str, Any]) -> Iterator[tuple[str, Json] | str]:
    nodes = document.get("nodes")
    if not isinstance(nodes, dict | list) or not nodes:
        yield "nodes: a workflow has nodes, by their ids"
        return
    if len(nodes) > MOST_NODES:
        yield f"nodes: a workflow has at most {MOST_NODES}"
        return
    if not isinstance(document.get("output"), dict) or not document["output"]:
        yield "output: a workflow gives an object"
    if not _is_schema(document.get("schema")):
        yield "schema: an object with the objects input and output"
    seen: set[str] = set()
    for number, (node_id, node) in enumerate(_pairs(nodes)):
        if not isinstance(node, dict) or not isinstance(node_id, str) or not node_id:
            yield f"nodes.{number}: a node is an object with an id"
        elif node_id in seen:
            yield f"nodes.{node_id}: there are two nodes of that id"
        else:
            seen.add(node_id)
            yield node_id, node


def _pairs(nodes: dict[str, Any] | list[Any]) -> Iterable[tuple[Any, Any]]:
    if isinstance(nodes, dict):
        return nodes.items()
    return [(node.get("id") if isinstance(node, dict) else None, node) for node in nodes]


def _is_schema(schema: Any) -> bool:
    match schema:
        case None:
            return True
        case dict():
            return all(isinstance(schema.get(part) or {}, dict) for part in ("input", "output"))
    return False


def _node_flaws(node_id: str, node: Json) -> Iterator[str]:
    where = f"nodes.{node_id}"
    if node.get("id", node_id) != node_id:
        yield f"{where}: its id says {node['id']!r}"
    if node.get("type") not in _TYPES:
        yield f"{where}: type {node.get('type')!r} is not one of {', '.join(_TYPES)}"
    elif (node_id == INPUT) != (node["type"] == INPUT):
        yield f"{where}: the id {INPUT} is that of the caller's input, and of nothing else"
    depends = node.get("depends", [])
    if not isinstance(depends, list) or not all(isinstance(each, str) for each in depends):
        yield f"{where}.depends: a list of ids"
    if node.get("type") == "run" and not isinstance(node.get("app"), str):
        yield f"{where}.app: an endpoint's id"
    if node.get("type") == "run" and not isinstance(node.get("input", {}), dict):
        yield f"{where}.input: an object"


def _node(number: int, node_id: str, node: Json) -> Node:
    depends = frozenset(node.get("depends", [])) - {INPUT}
    if node["type"] == "run":
        return RunNode(node_id=node_id, number=number, depends=depends, app=node["app"], input=node.get("input", {}))
    return DisplayNode(node_id=node_id, number=number, depends=depends, fields=node.get("fields", []))


def _graph_flaws(workflow: Workflow, apps: Collection[str]) -> Iterator[str]:
    known = {node.node_id for node in workflow.nodes}
    for node in workflow.nodes:
        where = f"nodes.{node.node_id}"
        if isinstance(node, RunNode) and node.app not in apps:
            yield f"{where}.app: {node.app} is not served here"
        for unknown in sorted(node.depends - known):
            yield f"{where}.depends: there is no node {unknown}"
        yield from _reference_flaws(where, values_of(node), known)
    yield from _reference_flaws("output", workflow.output, known)
    yield from _cycles(workflow, known)


def values_of(node: Node) -> Any:
    """What the node is given, with references in it."""
    return node.input if isinstance(node, RunNode) else node.fields


def _reference_flaws(where: str, value: Any, known: set[str]) -> Iterator[str]:
    try:
        for reference in references_in(value):
            if reference.source not in known | {INPUT}:
                yield f"{where}: {reference} refers to a node that does not exist"
    except ValueError as error:
        yield f"{where}: {error}"


def _cycles(workflow: Workflow, known: set[str]) -> Iterator[str]:
    try:
        TopologicalSorter({node.node_id: needs(node) & known for node in workflow.nodes}).prepare()
    except CycleError as error:
        yield f"nodes: {' needs '.join(reversed(error.args[1]))}, which is a circle"
    except ValueError:
        return


def needs(node: Node) -> frozenset[str]:
    """The nodes that have to be over before this one: those that it names, and those that it refers to."""
    return node.depends | {reference.source for reference in references_in(values_of(node))} - {INPUT}
