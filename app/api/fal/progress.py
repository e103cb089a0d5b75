"""Progress events of a streamed call."""

from typing import Any

from app.api.data_uri import encode_data_uri
from app.generation import ImageFormat, JobStep

_PREVIEW_TYPE = ImageFormat.JPEG.content_type


class Progress:
    """Adds up the denoising steps of all pictures of one request, and keeps the latest preview of each."""

    def __init__(self, num_images: int) -> None:
        self._num_images = num_images
        self._done: dict[str, int] = {}
        self._previews: dict[str, str] = {}

    def started(self) -> dict[str, Any]:
        """The event before the first step."""
        return {"progress": 0.0, "message": "Started"}

    def after(self, step: JobStep) -> dict[str, Any]:
        """The event for one step: the share of all steps that is done, and previews in the form of the output."""
        self._done[step.job_id] = step.step
        share = sum(self._done.values()) / (step.steps * self._num_images)
        event = {"progress": min(round(share, 4), 1.0), "message": f"Step {step.step} of {step.steps}"}
        if step.preview is None:
            return event
        self._previews[step.job_id] = encode_data_uri(step.preview, _PREVIEW_TYPE)
        images = [{"url": url, "content_type": _PREVIEW_TYPE} for _, url in sorted(self._previews.items())]
        return event | {"images": images}
