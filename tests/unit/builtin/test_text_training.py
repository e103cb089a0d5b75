"""The tokenizers and what the text encoders are taught."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import CLIPTokenizer, T5TokenizerFast

from app.builtin.demand import Demand, Thing
from app.builtin.grammar import sample_prompt
from app.builtin.render import ASPECTS
from app.builtin.training.architecture import distance_biases, hidden_matrices
from app.builtin.training.conditioning import COLOUR, describe, mentions, register_positions, unit_colour
from app.builtin.training.manifest import PROMPT_SUFFIXES, SEQUENCE_LENGTH
from app.builtin.training.optimiser import Optimiser
from app.builtin.training.stage import Budget, Progress, StageContext
from app.builtin.training.text import TextStage, sample_batch, slot_accuracy, text_loss
from app.builtin.training.text_model import TextModel, Tokenisers, load_text_model, save_text_model
from app.builtin.training.tokenisers import lower_case_rows, t5_pieces, token_ids, words


@pytest.fixture(scope="module")
def tokenisers() -> Tokenisers:
    """Both tokenizers."""
    return Tokenisers()


def test_every_word_is_one_token(tokenisers: Tokenisers) -> None:
    """No word of the grammar is split, by neither tokenizer, in no letter case."""
    for word in words():
        for spelling in (word, word.title(), word.upper()):
            assert len(tokenisers.t5.tokenize(spelling)) == 1
            assert len(tokenisers.clip.tokenize(spelling)) == 1


def test_tokenizers_survive_saving(tokenisers: Tokenisers, tmp_path: Path) -> None:
    """Saved and loaded as the pipeline does it, both give the same ids, for foreign words too."""
    prompts = ["A red circle, GREY background sixteennine", "a cat; 4 green crosses"]
    tokenisers.t5.save_pretrained(tmp_path / "t5")
    tokenisers.clip.save_pretrained(tmp_path / "clip")
    t5, clip = T5TokenizerFast.from_pretrained(tmp_path / "t5"), CLIPTokenizer.from_pretrained(tmp_path / "clip")

    assert np.array_equal(token_ids(t5, prompts), tokenisers.ids(prompts)[0])
    assert np.array_equal(token_ids(clip, prompts), tokenisers.ids(prompts)[1])


def test_no_prompt_is_too_long_for_its_registers(tokenisers: Tokenisers) -> None:
    """Every prompt with every suffix leaves room for four object registers behind its end token."""
    rng = np.random.default_rng(0)
    prompts = [sample_prompt(rng, held_out=bool(i % 2))[1] + PROMPT_SUFFIXES[ASPECTS[i % 5]] for i in range(2000)]

    positions = register_positions(tokenisers.ids(prompts)[0], tokenisers.t5.eos_token_id)

    assert positions.max() < SEQUENCE_LENGTH


def test_names_are_attributed_to_their_objects(tokenisers: Tokenisers) -> None:
    """Colour and shape words point to the object they describe; a background's name to none."""
    ids, _ = tokenisers.ids(["a red circle left of a blue square on teal"])

    assert mentions(ids, tokenisers.naming_ids)[0].tolist()[:10] == [-1, 0, 0, -1, -1, -1, 1, 1, -1, -1]


def test_a_description_has_a_row_per_object() -> None:
    """Counted copies fill one row each; the rest stays empty."""
    description = describe(Demand("count", (Thing("green", "cross"),), "black", count=3), 64, 64)

    assert description.objects[:, 0].tolist() == [1, 1, 1, 0]
    assert description.objects[0, COLOUR].tolist() == pytest.approx(unit_colour((70, 190, 40)).tolist())
    assert description.scene[3] == 1


def test_letter_cases_share_an_embedding() -> None:
    """After tying, a word means the same in capitals."""
    model = TextModel()
    model.tie_letter_cases()
    row = {piece: index for index, piece in enumerate(t5_pieces())}
    weight = model.t5.shared.weight

    assert torch.equal(weight[row["▁RED"]], weight[row["▁red"]])
    assert torch.equal(weight[row["▁Red"]], weight[row["▁red"]])
    assert lower_case_rows()[row["a"]] == row["a"]


def test_the_text_stage_leaves_rounded_encoders(tmp_path: Path) -> None:
    """The stage reports its accuracy at the end, and the folder then holds weights that are bfloat16 numbers."""
    seen: list[Progress] = []
    TextStage().run(StageContext(tmp_path, 1, Budget(steps=2), seen.append))
    weight = load_text_model(tmp_path).t5.shared.weight

    assert seen[-1].metrics.keys() == {"registers", "pooled"}
    assert torch.equal(weight, weight.bfloat16().float())


def test_finished_encoders_are_left_alone(tmp_path: Path) -> None:
    """A larger budget does not change encoders that a denoiser may already stand on."""
    save_text_model(TextModel(), tmp_path)
    before = load_text_model(tmp_path).t5.shared.weight

    TextStage().run(StageContext(tmp_path, 1, Budget(steps=10)))

    assert torch.equal(load_text_model(tmp_path).t5.shared.weight, before)


def test_training_the_encoders_lowers_their_loss(tokenisers: Tokenisers) -> None:
    """Ten steps on one batch teach the encoders something about it."""
    model = TextModel()
    optimiser = Optimiser(model, hidden_matrices(model), swift=distance_biases(model))
    batch = sample_batch(tokenisers, np.random.default_rng(0), 16)
    losses = []
    for _ in range(10):
        loss = text_loss(model, batch)
        torch.autograd.backward(loss)
        optimiser.step(1.0)
        losses.append(loss.item())

    assert losses[-1] < 0.7 * losses[0]


def test_untrained_encoders_describe_nothing(tokenisers: Tokenisers) -> None:
    """The accuracy that training reports is near zero before training."""
    batch = sample_batch(tokenisers, np.random.default_rng(0), 64, held_out=True)

    assert slot_accuracy(TextModel(), batch)["registers"] < 0.1
