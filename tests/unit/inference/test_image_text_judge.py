"""A judge for any prompt: a CLIP-like model, here a tiny one that has learned nothing."""

import io
from pathlib import Path

import pytest
from fakes import MemoryBlobStore
from PIL import Image
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor

from app.builtin.training.tokenisers import build_clip_tokenizer
from app.errors import ConfigurationError
from app.inference.image_text_judge import ImageTextJudge, load_judge


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder in the format of transformers."""
    place = tmp_path_factory.mktemp("clip")
    tokenizer = build_clip_tokenizer()
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = small | {
        "vocab_size": len(tokenizer), "max_position_embeddings": 24, "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id,
    }  # fmt: skip
    vision = small | {"image_size": 32, "patch_size": 16}
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=8)).save_pretrained(place)
    size = {"shortest_edge": 32}
    images = CLIPImageProcessor(size=size, crop_size={"height": 32, "width": 32})
    CLIPProcessor(image_processor=images, tokenizer=tokenizer).save_pretrained(place)
    return place


async def judge(folder: Path, *, threshold: float) -> ImageTextJudge:
    """A judge with one stored picture."""
    buffer = io.BytesIO()
    Image.new("RGB", (48, 40), (200, 10, 10)).save(buffer, "PNG")
    blobs = MemoryBlobStore()
    await blobs.put("a.png", buffer.getvalue())
    return load_judge(folder, blobs, threshold=threshold)


@pytest.mark.parametrize(("threshold", "verdict"), [(-1.0, True), (1.01, False)])
async def test_the_threshold_decides(folder: Path, threshold: float, verdict: bool) -> None:
    """A picture whose cosine with the prompt reaches it is right."""
    assert await (await judge(folder, threshold=threshold)).shows("a.png", "a red circle") is verdict


async def test_the_score_depends_on_the_prompt(folder: Path) -> None:
    """It is a cosine, and the same whenever it is asked for."""
    scorer, picture = await judge(folder, threshold=0), Image.new("RGB", (32, 32))
    scores = [scorer.score(picture, prompt) for prompt in ("a red circle", "a blue square", "a red circle")]

    assert all(-1.001 <= score <= 1.001 for score in scores)
    assert scores[0] == scores[2] != scores[1]


async def test_what_has_no_verdict(folder: Path) -> None:
    """Prompts that are longer than the model reads, and pictures that are gone."""
    scorer = await judge(folder, threshold=-1)

    assert not scorer.can_judge("a red circle " * 30)
    assert await scorer.shows("a.png", "a red circle " * 30) is None
    assert await scorer.shows("absent.png", "a red circle") is None


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    """The error says which."""
    with pytest.raises(ConfigurationError, match="could not be loaded"):
        load_judge(tmp_path, MemoryBlobStore(), threshold=0)
