"""Builds the two tokenizers of the FLUX pipeline from the words of the grammar."""

import re
from collections.abc import Iterable
from string import ascii_letters, digits, punctuation
from typing import Final

import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTokenizer, T5Tokenizer

from app.builtin.demand import CELLS, RELATIONS
from app.builtin.grammar import (
    AND_FORMS,
    BACKGROUND_FORMS,
    COUNT_FORMS,
    NUMBERS,
    ONE_FORMS,
    PLURALS,
    RELATION_FORMS,
    place_forms,
)
from app.builtin.palette import BACKGROUNDS, COLOURS, SHAPES
from app.builtin.training.manifest import PROMPT_SUFFIXES, SEQUENCE_LENGTH

WORD_START: Final = "▁"
_BOS: Final = "<|startoftext|>"
_EOS: Final = "<|endoftext|>"


def words() -> list[str]:
    """Every word of the grammar and every prompt suffix, in lower case and sorted."""
    forms = (*ONE_FORMS, *AND_FORMS, *COUNT_FORMS, *BACKGROUND_FORMS, "an the gray")
    phrases = (*(form for relation in RELATIONS for form in RELATION_FORMS[relation]),)
    places = (*(form for cell in CELLS for form in place_forms(cell)),)
    names = (*COLOURS, *BACKGROUNDS, *SHAPES, *PLURALS.values(), *NUMBERS, *PROMPT_SUFFIXES.values())
    text = re.sub(r"\{\w\}|,", " ", " ".join((*forms, *phrases, *places, *names)))
    return sorted(set(text.split()))


def t5_pieces() -> list[str]:
    """The T5 vocabulary: special tokens, each word in three letter cases, and single characters as fallback."""
    cases = (variant for word in words() for variant in (word, word.title(), word.upper()))
    characters = ascii_letters + digits + punctuation
    return list(
        dict.fromkeys(["<pad>", "</s>", "<unk>", WORD_START, *(WORD_START + case for case in cases), *characters])
    )


def lower_case_rows() -> list[int]:
    """For each row of the T5 vocabulary the row of the same piece in lower case."""
    row = {piece: index for index, piece in enumerate(t5_pieces())}
    return [row.get(piece.lower(), index) if piece.startswith(WORD_START) else index for piece, index in row.items()]


def build_t5_tokenizer() -> T5Tokenizer:
    """A Unigram tokenizer in which every grammar word is one piece."""
    scores = [(piece, -10.0 if len(piece) == 1 else -1.0) for piece in t5_pieces()]
    return T5Tokenizer(vocab=scores, extra_ids=0, additional_special_tokens=[], model_max_length=SEQUENCE_LENGTH)


def _bpe_alphabet() -> list[str]:
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    return letters + [letter + "</w>" for letter in letters]


def _train_bpe(corpus: Iterable[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>", unk_token=_EOS))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(
        vocab_size=4000, min_frequency=1, special_tokens=[_BOS, _EOS, *_bpe_alphabet()],
        end_of_word_suffix="</w>", show_progress=False,
    )  # fmt: skip
    tokenizer.train_from_iterator(corpus, trainer)
    return tokenizer


def build_clip_tokenizer() -> CLIPTokenizer:
    """A byte-pair tokenizer in which every grammar word is one token."""
    import json

    model = json.loads(_train_bpe(words()).to_str())["model"]
    merges = [tuple(merge) for merge in model["merges"]]
    return CLIPTokenizer(
        vocab=model["vocab"], merges=merges, bos_token=_BOS, eos_token=_EOS, pad_token=_EOS, unk_token=_EOS,
        model_max_length=SEQUENCE_LENGTH,
    )  # fmt: skip


def token_ids(
    tokenizer: T5Tokenizer | CLIPTokenizer, prompts: list[str]
) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """The prompts' token ids, padded to the trained length as the pipeline pads them."""
    encoded = tokenizer(prompts, padding="max_length", max_length=SEQUENCE_LENGTH, truncation=True, return_tensors="np")
    return np.asarray(encoded["input_ids"], np.int64)
