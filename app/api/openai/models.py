"""Models are the endpoints that draw, by their own ids."""

from collections.abc import Iterator
from typing import Any

from app.api.fal.endpoints import DrawingEndpoint, EndpointTable
from app.api.openai.errors import UnknownModelError
from app.api.openai.inputs import refused
from app.generation import Task

_EDITING = "image-to-image"
_OWNER = "darkroom"


class Models:
    """What OpenAI's clients can name as `model`; `created_s` is since when, in epoch seconds."""

    def __init__(self, endpoints: EndpointTable, *, created_s: float) -> None:
        self._endpoints = endpoints
        self._created = int(created_s)

    def __iter__(self) -> Iterator[DrawingEndpoint]:
        return (each for each in self._endpoints if isinstance(each, DrawingEndpoint) and not each.enlarges)

    def find(self, model: str) -> DrawingEndpoint:
        """The endpoint of that name; raises UnknownModelError."""
        for endpoint in self:
            if endpoint.endpoint_id == model:
                return endpoint
        raise UnknownModelError(f"The model {model!r} does not exist; GET /v1/models lists those that do")

    def generating(self, model: str | None) -> DrawingEndpoint:
        """The endpoint that draws from words, the first one where none is named.

        Raises UnknownModelError, or InvalidInputError for one that needs a picture.
        """
        if model is None:
            return self._first(Task.TEXT_TO_IMAGE)
        endpoint = self.find(model)
        if endpoint.task is not Task.TEXT_TO_IMAGE:
            raise refused("model", "feature_not_supported", "This model needs a picture; send it to /v1/images/edits")
        return endpoint

    def editing(self, model: str | None) -> DrawingEndpoint:
        """The endpoint that draws from a picture: of that name, below it, or else of the same variant.

        Raises UnknownModelError, or InvalidInputError for a model that draws from words alone.
        """
        if model is None:
            return self._first(Task.IMAGE_TO_IMAGE)
        named = self.find(model)
        candidates = [endpoint for endpoint in self if endpoint.task is Task.IMAGE_TO_IMAGE]
        for endpoint in candidates:
            if endpoint.endpoint_id in (model, f"{model}/{_EDITING}"):
                return endpoint
        for endpoint in candidates:
            if endpoint.variant == named.variant:
                return endpoint
        raise refused("model", "feature_not_supported", "This model draws from words alone")

    def entry(self, endpoint: DrawingEndpoint) -> dict[str, Any]:
        """The model as OpenAI describes one."""
        return {"id": endpoint.endpoint_id, "object": "model", "created": self._created, "owned_by": _OWNER}

    def _first(self, task: Task) -> DrawingEndpoint:
        for endpoint in self:
            if endpoint.task is task:
                return endpoint
        raise UnknownModelError("No model here does that")
