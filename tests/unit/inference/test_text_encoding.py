"""Text encoders: equal wherever they are asked, and honest about what they do not read."""

import json
from pathlib import Path

import numpy as np
import pytest
from transformers import BertConfig, BertModel, BertTokenizerFast

from app.errors import ConfigurationError
from app.inference.text_encoding import TextEncoder, load_text_encoder

WORDS = ("a", "red", "cat", "dog", "blue")


def sentence_folder(folder: Path, *, pooling: str = "pooling_mode_mean_tokens") -> Path:
    """A tiny model in the format of sentence-transformers that reads eight tokens."""
    vocabulary = folder / "vocab.txt"
    folder.mkdir()
    vocabulary.write_text("\n".join(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS)))
    BertTokenizerFast(str(vocabulary)).save_pretrained(folder)
    config = BertConfig(vocab_size=10, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
    BertModel(config).save_pretrained(folder)
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    modules = [{"path": path, "type": f"sentence_transformers.models.{kind}"} for path, kind in kinds.items()]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 8}))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": 16, pooling: True}))
    return folder


@pytest.fixture(params=["builtin:sketch", "sentences"])
def encoder(request: pytest.FixtureRequest, tmp_path: Path) -> TextEncoder:
    """An encoder of each kind."""
    if request.param == "sentences":
        return load_text_encoder(str(sentence_folder(tmp_path / "model")))
    return load_text_encoder(request.param)


def test_vectors_have_length_one(encoder: TextEncoder) -> None:
    """And as many numbers as the encoder says."""
    (vector,) = encoder.encode(["a red cat"])

    assert vector is not None
    assert (vector.shape, vector.dtype) == ((encoder.dimensions,), np.float32)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_company_does_not_matter(encoder: TextEncoder) -> None:
    """A text has the same vector alone and beside longer ones, up to rounding."""
    (alone,) = encoder.encode(["a red cat"])
    _, beside = encoder.encode(["a blue dog a red", "a red cat"])

    assert alone is not None
    assert beside is not None
    assert float(alone @ beside) == pytest.approx(1, abs=1e-4)


def test_different_texts_differ(encoder: TextEncoder) -> None:
    """A swap of words is seen, if not by much."""
    one, other = encoder.encode(["a red cat", "a blue dog"])

    assert one is not None
    assert other is not None
    assert float(one @ other) < 0.9999


def test_what_is_too_long_has_no_vector(encoder: TextEncoder) -> None:
    """Such texts are left out, and the others are not."""
    vectors = encoder.encode(["a red cat", "a red cat " * 20, "a dog"])

    assert [vector is None for vector in vectors] == [False, True, False]
    assert encoder.encode(["a red cat " * 20]) == [None]


def test_revisions_name_weights_and_pooling(tmp_path: Path) -> None:
    """Vectors of encoders with other weights or another pooling are never compared."""
    folders = [sentence_folder(tmp_path / name) for name in ("one", "two")]
    pooled = sentence_folder(tmp_path / "three", pooling="pooling_mode_cls_token")
    revisions = [load_text_encoder(str(folder)).revision for folder in (*folders, folders[0], pooled)]

    assert len(set(revisions)) == 3
    assert revisions[0] == revisions[2]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("a-package-that-is-not-there", "there is no package"),
        ("json", "carries no"),
        ("builtin:absent", "no built-in model"),
        ("./absent", "not a model folder"),
    ],
)
def test_what_cannot_be_had_is_named(source: str, reason: str) -> None:
    """The error says what to do."""
    with pytest.raises(ConfigurationError, match=reason):
        load_text_encoder(source)


@pytest.mark.parametrize("broken", ["pooling_mode_max_tokens", "modules"])
def test_what_is_not_understood_is_refused(tmp_path: Path, broken: str) -> None:
    """A model that would be used in another way than it was trained is no encoder."""
    folder = sentence_folder(tmp_path / "model", pooling="pooling_mode_max_tokens")
    if broken == "modules":
        (folder / "modules.json").write_text(json.dumps([{"path": "", "type": "a.Dense"}]))

    with pytest.raises(ConfigurationError, match="not known"):
        load_text_encoder(str(folder))
