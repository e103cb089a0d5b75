"""What the judge of the built-in model says about a picture file."""

from pathlib import Path


def verdict(picture: Path, prompt: str) -> str:
    """One sentence: whether the picture shows the prompt, and why not."""
    import numpy as np
    from PIL import Image

    from app.builtin.judge import judge

    with Image.open(picture) as image:
        said = judge(np.asarray(image.convert("RGB")), prompt)
    if said is None:
        return "The judge knows only scenes of simple shapes; it cannot say whether the picture shows this prompt."
    if said.right:
        return "The judge confirms: the picture shows the prompt."
    return f"The judge disagrees: {said.reason}"
