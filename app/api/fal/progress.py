"""Progress events of a streamed call."""

from typing import Any

from app.generation import JobStep


class Progress:
    """Adds up the denoising steps of all pictures of one request."""

    def __init__(self, num_images: int) -> None:
        self._num_images = num_images
        self._done: dict[str, int] = {}

    def started(self) -> dict[str, Any]:
        """The event before the first step."""
        return {"progress": 0.0, "message": "Started"}

    def after(self, step: JobStep) -> dict[str, Any]:
        """The event for one step: the share of all steps that is done."""
        self._done[step.job_id] = step.step
        share = sum(self._done.values()) / (step.steps * self._num_images)
        return {"progress": min(round(share, 4), 1.0), "message": f"Step {step.step} of {step.steps}"}
