"""Rows against the documents of real endpoints."""

from pathlib import Path
from typing import Any

import pytest

from app.api.fal.endpoints import EndpointTable
from app.api.fal.openapi import described, document
from app.batches.checking import EndpointInput, Task, check_rows
from app.batches.rows import Row
from app.config import load_settings

SCHNELL, ESRGAN, EDIT = "fal-ai/flux/schnell", "fal-ai/esrgan", "fal-ai/flux/dev/image-to-image"
LOCAL = Path(__file__).resolve().parents[3] / "configs" / "local.yaml"
ENDPOINTS = EndpointTable(load_settings(LOCAL))
KNOWN = {name: described(ENDPOINTS.find(name)) for name in (SCHNELL, ESRGAN, EDIT)}
INPUTS = {name: EndpointInput(document(about, "http://here")) for name, about in KNOWN.items()}


def checked(*rows: dict[str, Any], endpoint: str = SCHNELL, is_text: bool = False) -> tuple[list[Task], list[str]]:
    """The tasks of some inputs, and what is wrong with them."""
    given = [
        Row(line=line, row_id=f"row-{line}", endpoint=endpoint, arguments=arguments, is_text=is_text)
        for line, arguments in enumerate(rows, start=1)
    ]
    tasks, flaws = check_rows(given, {**INPUTS, "no/such": "Path /no/such not found"})
    return tasks, [f"{flaw.line}: {flaw.message}" for flaw in flaws]


@pytest.mark.parametrize(
    ("endpoint", "arguments", "complaint"),
    [
        (SCHNELL, {}, "input: 'prompt' is a required property"),
        (SCHNELL, {"prompt": 1}, "prompt: 1 is not of type 'string'"),
        (SCHNELL, {"prompt": "a", "num_inference_steps": 13}, "num_inference_steps: 13 is greater than the maximum of"),
        (SCHNELL, {"prompt": "a", "seed": -1}, "seed: -1 is less than the minimum of 0"),
        (SCHNELL, {"prompt": "a", "image_size": "huge"}, "image_size: 'huge' is not valid"),
        (SCHNELL, {"prompt": "a", "loras": [{}]}, "loras[0]: 'path' is a required property"),
        (SCHNELL, {"prompt": "a", "promt": "b"}, "promt: the endpoint has no such field"),
        (SCHNELL, {"prompt": "a", "sync_mode": True}, "sync_mode: pictures of a batch come as files"),
        (ESRGAN, {"image_url": "x", "scale": 9}, "scale: 9 is greater than the maximum of 8"),
        ("no/such", {"prompt": "a"}, "endpoint: Path /no/such not found"),
    ],
)
def test_complaints(endpoint: str, arguments: dict[str, Any], complaint: str) -> None:
    """What the server would refuse is told before, with the field; so is a field that it would ignore."""
    _, (found,) = checked(arguments, endpoint=endpoint)

    assert found.startswith(f"1: {complaint}")


def test_every_complaint_is_told() -> None:
    """All flaws of all rows are found at once."""
    _, found = checked({"seed": -1}, {"prompt": "a"}, {"prompt": "a", "num_images": 9, "strenth": 1})

    assert [line[0] for line in found] == ["1", "1", "3", "3"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"prompt": "a"},
        {"prompt": "a", "seed": 2**53 - 1, "image_size": {"width": 64, "height": 64}, "output_format": "avif"},
        {"prompt": "a", "image_size": "square_hd", "guidance_scale": 2.5, "num_images": 4, "output_quality": 5},
    ],
)
def test_good_rows(arguments: dict[str, Any]) -> None:
    """What the server takes is not complained about."""
    assert checked(arguments)[1] == []


def test_missing_seeds_follow_from_the_row() -> None:
    """A row without a seed has the same one in every run, and rows that differ in their names alone differ in it."""
    (first, second), again = checked({"prompt": "a"}, {"prompt": "a"})[0], checked({"prompt": "a"}, {"prompt": "a"})[0]

    assert [first, second] == again
    assert first.row.arguments["seed"] != second.row.arguments["seed"]
    assert first.digest != second.digest


def test_seeds_are_kept_and_upscalers_have_none() -> None:
    """A seed of one's own stays; an endpoint that knows no seed gets none."""
    assert checked({"prompt": "a", "seed": 0})[0][0].row.arguments["seed"] == 0
    assert checked({"image_url": "x"}, endpoint=ESRGAN)[0][0].row.arguments == {"image_url": "x"}


def test_cells_become_values() -> None:
    """A cell is text where its field takes text, otherwise what it says as JSON."""
    cells = {
        "prompt": "12",
        "seed": "7",
        "image_size": "square",
        "enable_safety_checker": "TRUE",
        "guidance_scale": "2",
    }
    (task,), complaints = checked(cells | {"loras": '[{"path": "a.safetensors"}]'}, is_text=True)

    assert complaints == []
    assert task.row.arguments == {
        "prompt": "12",
        "seed": 7,
        "image_size": "square",
        "enable_safety_checker": True,
        "guidance_scale": 2,
        "loras": [{"path": "a.safetensors"}],
    }


def test_cells_that_say_nothing() -> None:
    """A cell that is neither is complained about as it was written."""
    assert checked({"prompt": "a", "seed": "many"}, is_text=True)[1] == ["1: seed: 'many' is not of type 'integer'"]
