"""Workflows through fal's own client, unmodified."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fal_client
import httpx
import pytest
from fal_server import official_client
from painting import LOCAL, Painter, Studio, studio
from PIL import Image
from workflows import DOCUMENT, ENLARGE, NAME, SKETCH, node

from app.api.fal.endpoints import EndpointTable
from app.api.fal.workflow_openapi import described_workflow
from app.api.fal.workflow_table import WorkflowTable
from app.config import load_settings
from app.errors import ConfigurationError, GenerationFailedError
from app.generation import Tier

GIVEN = {"prompt": "a red circle", "seed": 7}


@pytest.fixture(scope="module")
def place() -> Iterator[Studio]:
    """A running server with one workflow."""
    settings = load_settings(LOCAL).model_copy(update={"workflows": {"acme/sketch-and-enlarge": DOCUMENT}})
    with studio(Painter(errors={"bad": GenerationFailedError("no more memory")}), settings) as place:
        yield place


@pytest.fixture(scope="module")
def fal(place: Studio) -> Iterator[fal_client.SyncClient]:
    """fal's client, told where the server is."""
    with official_client(place.url) as client:
        yield client


def colour(image: dict[str, Any]) -> Any:
    """The colour of a picture, which is its seed."""
    return Image.open(io.BytesIO(httpx.get(image["url"]).content)).getpixel((0, 0))


def messages(status: fal_client.Status) -> list[str]:
    """The lines of a request's log, which one that waits does not have yet."""
    return [line["message"] for line in getattr(status, "logs", None) or []]


def test_run(fal: fal_client.SyncClient, place: Studio) -> None:
    """The answer is what the document's output says, with files by their URLs; the nodes are direct calls."""
    output = fal.run(NAME, arguments=GIVEN)

    assert (output["picture"]["width"], output["first"]["width"], output["seed"]) == (128, 64, 7)
    assert colour(output["first"]) == (7, 0, 12)
    assert {job.tier for job in place.painter.runs[-2:]} == {Tier.INTERACTIVE}


def test_events(fal: fal_client.SyncClient) -> None:
    """A stream tells when each node is submitted, with its request, and what it gave; the whole output is last."""
    events = list(fal.stream(NAME, arguments=GIVEN))
    told = [(event["type"], event.get("node_id")) for event in events]

    assert told == [
        ("submit", "draw"),
        ("completion", "draw"),
        ("submit", "enlarge"),
        ("completion", "enlarge"),
        ("completion", "show"),
        ("output", None),
    ]
    assert [event["app_id"] for event in events if event["type"] == "submit"] == [SKETCH, ENLARGE]
    assert len({event["request_id"] for event in events if event["type"] == "submit"}) == 2
    assert events[1]["output"]["images"][0]["url"] == events[-1]["output"]["first"]["url"]
    assert events[4]["output"] == [events[-1]["output"]["picture"]["url"]]


def test_queue(fal: fal_client.SyncClient) -> None:
    """A queued workflow has a status with a log of its nodes, and a result that can be had again."""
    handle = fal.submit(NAME, arguments=GIVEN, priority="low")
    *_, last = handle.iter_events(with_logs=True, interval=0.01)
    lines = messages(last)

    assert isinstance(last, fal_client.Completed)
    assert [line.partition(" ")[0] for line in lines[2:5]] == ["draw:", "draw:", "enlarge:"]
    assert handle.get() == handle.get() == fal.result(NAME, handle.request_id)
    assert handle.get()["seed"] == 7


def test_nodes_are_requests(fal: fal_client.SyncClient) -> None:
    """The request that a queued node is can be asked for by the id in the log."""
    handle = fal.submit(NAME, arguments=GIVEN)
    output = handle.get()
    lines = messages(handle.status(with_logs=True))
    request_id = next(line.rpartition(" ")[2] for line in lines if line.startswith("draw: fal-ai"))

    assert fal.result(SKETCH, request_id)["images"][0] == output["first"]


def test_seeds_follow_from_the_request(fal: fal_client.SyncClient) -> None:
    """Without a seed, each request has pictures of its own."""
    seeds = {fal.run(NAME, arguments={"prompt": "a"})["seed"] for _ in range(3)}

    assert len(seeds) == 3


@pytest.mark.parametrize("queued", [True, False], ids=["queued", "direct"])
def test_nodes_that_fail(fal: fal_client.SyncClient, queued: bool) -> None:
    """The error of a node is that of the workflow."""
    call = fal.subscribe if queued else fal.run
    with pytest.raises(fal_client.client.FalClientHTTPError) as failed:
        call(NAME, arguments={"prompt": "bad"})

    assert failed.value.status_code == 500
    assert "no more memory" in str(failed.value)


def test_failures_in_a_stream(fal: fal_client.SyncClient) -> None:
    """The last event names the node, and has the answer that its endpoint would give alone."""
    *_, last = fal.stream(NAME, arguments={"prompt": "bad"})

    assert (last["type"], last["node_id"], last["message"]) == ("error", "draw", "no more memory")
    assert (last["error"]["status"], last["error"]["body"]["detail"][0]["type"]) == (500, "internal_server_error")


def test_nodes_with_invalid_input(fal: fal_client.SyncClient) -> None:
    """What a node was given wrong is told with the node and the field."""
    with pytest.raises(fal_client.client.FalClientHTTPError) as failed:
        fal.subscribe(NAME, arguments=GIVEN | {"steps": 99})

    assert failed.value.status_code == 422
    assert failed.value.response.json()["detail"][0]["loc"] == ["body", "nodes", "draw", "num_inference_steps"]


@pytest.mark.parametrize("arguments", [{}, {"prompt": 3}, {"prompt": "a", "seed": "x"}])
def test_input_against_the_schema(fal: fal_client.SyncClient, arguments: dict[str, Any]) -> None:
    """What the workflow's own schema does not allow is refused before any node runs."""
    with pytest.raises(fal_client.client.FalClientHTTPError) as refused:
        fal.run(NAME, arguments=arguments)

    assert refused.value.status_code == 422


def test_brought_along(fal: fal_client.SyncClient) -> None:
    """A caller may bring the whole workflow; it needs no name and no schema."""
    workflow = {"nodes": [node("a", SKETCH, prompt="$input.words", seed=3)], "output": {"seed": "$a.seed"}}

    assert fal.run("workflows/execute", arguments={"workflow": workflow, "input": {"words": "x"}}) == {"seed": 3}
    assert fal.subscribe("workflows/execute", arguments={"workflow": workflow, "input": {"words": "x"}}) == {"seed": 3}


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ([node("a", "no/such")], "no/such is not served here"),
        ([node("a", SKETCH, "b"), node("b", SKETCH, "a")], "circle"),
        ([node("a", SKETCH, prompt="$gone.x")], "a node that does not exist"),
    ],
)
def test_flawed_workflows_of_callers(fal: fal_client.SyncClient, nodes: list[dict[str, Any]], words: str) -> None:
    """What cannot be carried out is refused with its reason, before anything runs."""
    with pytest.raises(fal_client.client.FalClientHTTPError) as refused:
        fal.run("workflows/execute", arguments={"workflow": {"nodes": nodes, "output": {"x": "$a"}}})

    assert refused.value.status_code == 422
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("name", "document", "words"),
    [
        (
            "acme/w",
            DOCUMENT | {"nodes": {"draw": node("draw", "no/such")}},
            "workflow acme/w: nodes.draw.app: no/such",
        ),
        ("acme/w", DOCUMENT | {"output": {"x": "$draw.x", "y": "$nobody"}}, "\\$nobody"),
        ("acme/w", DOCUMENT | {"schema": {"input": {"type": "walk"}}}, "schema.input"),
        ("acme", DOCUMENT, "workflow acme: it is named owner/name"),
    ],
)
def test_flawed_workflows_of_a_configuration(tmp_path: Path, name: str, document: dict[str, Any], words: str) -> None:
    """A server does not start with one, and says why."""
    settings = load_settings(LOCAL).model_dump() | {"workflows": {name: document}}
    file = tmp_path / "darkroom.yaml"
    file.write_text(json.dumps(settings), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=words):
        load_settings(file)


@pytest.mark.parametrize("path", ["run/workflows/acme/none", "queue/workflows/acme/none", "run/workflows/acme"])
def test_unknown_workflows(place: Studio, path: str) -> None:
    """Nothing is served under other names."""
    assert httpx.post(f"{place.url}/{path}", json=GIVEN).status_code == 404


def test_catalogue(place: Studio) -> None:
    """A workflow is described like an endpoint, by the schemas that it brings along."""
    (entry,) = httpx.get(f"{place.url}/api/v1/models", params={"category": "workflow"}).json()["models"]
    document = httpx.get(entry["metadata"]["documentationUrl"]).raise_for_status().json()
    takes = document["components"]["schemas"]["AcmeSketchAndEnlargeInput"]

    assert entry["endpoint_id"] == NAME
    assert f"/{NAME}/requests/{{request_id}}/status" in document["paths"]
    assert (takes["required"], takes["x-fal-order-properties"][0]) == (["prompt"], "prompt")
    assert takes["properties"]["steps"]["default"] == 2


def test_schemas_of_others_in_documents() -> None:
    """Schemas inside a workflow's own are parts of the document, in the words of OpenAPI 3.0."""
    size = {"anyOf": [{"$ref": "#/definitions/Size"}, {"type": "null"}]}
    schema = {"properties": {"size": size}, "definitions": {"Size": {"const": "square"}}}
    document = DOCUMENT | {"schema": {"input": schema, "output": {}}}
    table = WorkflowTable({"acme/w": document}, EndpointTable(load_settings(LOCAL)))
    (about,) = (described_workflow(*each) for each in table.items())

    assert about.schemas["AcmeWInputSize"] == {"enum": ["square"]}
    assert about.schemas["AcmeWInput"]["properties"]["size"] == {
        "$ref": "#/components/schemas/AcmeWInputSize",
        "nullable": True,
    }


def test_cancel(place: Studio, fal: fal_client.SyncClient) -> None:
    """A cancelled workflow is over, and so is the node that was under way."""
    handle = fal.submit(NAME, arguments={"prompt": "endless"})
    request_id = next(
        line.rpartition(" ")[2]
        for status in handle.iter_events(with_logs=True, interval=0.01)
        for line in messages(status)
        if line.startswith("draw: ")
    )
    handle.cancel()
    list(fal_client.client.SyncRequestHandle.from_request_id(fal._client, SKETCH, request_id).iter_events())

    for asked in (handle.request_id, request_id):
        answer = httpx.get(f"{place.url}/queue/{SKETCH}/requests/{asked}")
        assert (answer.status_code, answer.json()["error_type"]) == (499, "client_cancelled")
