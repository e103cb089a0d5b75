"""Progress events of a streamed call."""

from app.api.fal.progress import Progress
from app.generation import JobStep


def test_the_share_counts_the_steps_of_all_pictures() -> None:
    """Half of the steps of one of two pictures is a quarter."""
    progress = Progress(2)
    assert progress.started() == {"progress": 0.0, "message": "Started"}
    assert progress.after(JobStep(job_id="r.0", step=2, steps=4)) == {"progress": 0.25, "message": "Step 2 of 4"}


def test_previews_have_the_form_of_the_output() -> None:
    """An event shows the latest preview of each picture, in the order of the pictures, as data URIs."""
    progress = Progress(2)
    progress.after(JobStep(job_id="r.1", step=1, steps=4, preview=b"second"))
    event = progress.after(JobStep(job_id="r.0", step=1, steps=4, preview=b"first"))
    assert [image["url"] for image in event["images"]] == [
        "data:image/jpeg;base64,Zmlyc3Q=", "data:image/jpeg;base64,c2Vjb25k",
    ]  # fmt: skip


def test_a_step_without_a_preview_shows_none() -> None:
    """Where previews are off, or for the last step, the event tells the progress alone."""
    assert "images" not in Progress(1).after(JobStep(job_id="r.0", step=1, steps=4))
