"""A workflow in fal's format that draws a picture, enlarges it, and tells what it did."""

from typing import Any

SKETCH = "fal-ai/flux/schnell"
ENLARGE = "fal-ai/esrgan"
NAME = "workflows/acme/sketch-and-enlarge"


def node(node_id: str, app: str, *depends: str, **given: Any) -> dict[str, Any]:
    """A node that runs."""
    return {"id": node_id, "type": "run", "app": app, "depends": list(depends), "input": given}


DOCUMENT: dict[str, Any] = {
    "name": "sketch-and-enlarge",
    "version": "0.1",
    "schema": {
        "input": {
            "type": "object",
            "properties": {
                "prompt": {"type": "string"},
                "seed": {"type": "integer"},
                "steps": {"type": "integer", "default": 2},
            },
            "required": ["prompt"],
        },
        "output": {"type": "object", "properties": {"picture": {"type": "object"}}},
    },
    "nodes": {
        "draw": node(
            "draw",
            SKETCH,
            prompt="$input.prompt",
            seed="$input.seed",
            num_inference_steps="$input.steps",
            image_size={"width": 64, "height": 64},
            output_format="png",
        ),
        "enlarge": node("enlarge", ENLARGE, "draw", image_url="$draw.images.0.url", scale=2),
        "show": {"id": "show", "type": "display", "depends": ["enlarge"], "fields": ["$enlarge.image.url"]},
    },
    "output": {"picture": "$enlarge.image", "first": "$draw.images.0", "seed": "$draw.seed"},
}
