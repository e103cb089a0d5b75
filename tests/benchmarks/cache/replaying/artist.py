"""The built-in model and its judge as the artist of a replay; what was drawn once stays in a file."""

import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from typing import Final, Literal

import numpy as np
import torch

from app.builtin.grammar import parse
from app.builtin.judge import compare, names_background
from app.builtin.perception import SeenObject, Sighting, see
from app.cache.index.contract import Vector
from app.generation import ImageFormat, PictureSpec, Task
from app.inference.embeddings import EmbeddingCache
from app.inference.pictures import Pixels, encode_picture
from app.inference.pipelines.contract import SampleState, StepPipeline
from app.inference.trajectories import pack, resumed
from app.simulation.replay import Beginning, Drawing

SIDE: Final = 64
BATCH: Final = 8
EncoderName = Literal["pooled", "tokens"]
_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS drawings "
    "(key TEXT PRIMARY KEY, seen TEXT, byte_count INTEGER, latent_bytes INTEGER, latents BLOB)"
)


class BuiltinArtist:
    """Draws with a pipeline of the built-in model, and keeps latents after `kept_steps` and at the end.

    `encoder` says which output of the model's text encoders is a prompt's direction: the pooled one, or the mean over
    the tokens.
    """

    def __init__(
        self,
        pipeline: StepPipeline,
        *,
        variant: str,
        steps: int,
        kept_steps: Sequence[int],
        folder: Path,
        encoder: EncoderName = "pooled",
    ) -> None:
        self._pipeline = pipeline
        self._variant = variant
        self.steps = steps
        self._kept_steps = tuple(kept_steps)
        self._encoder = encoder
        self._embeddings = EmbeddingCache()
        self._vectors: dict[str, Vector] = {}
        self._sightings: dict[str, Sighting] = {}
        folder.mkdir(parents=True, exist_ok=True)
        self._store = sqlite3.connect(folder / f"{variant}-{steps}.sqlite", isolation_level=None)
        self._store.execute("PRAGMA journal_mode=WAL")
        self._store.execute("PRAGMA synchronous=OFF")
        self._store.execute(_TABLE)
        self._shape = self._begun("a red circle", 0).latents.shape

    @property
    def dimensions(self) -> int:
        """How many numbers a prompt's vector has."""
        return len(self.vector("a red circle"))

    def vector(self, prompt: str) -> Vector:
        """The direction of the prompt, from the pipeline's own text encoders."""
        if prompt not in self._vectors:
            embedding = self._embeddings.embedding(self._pipeline, self._spec(prompt, 0))
            row = embedding.pooled[0] if self._encoder == "pooled" else embedding.tokens[0].mean(0)
            numbers = row.float().numpy()
            self._vectors[prompt] = (numbers / np.linalg.norm(numbers)).astype(np.float32)
        return self._vectors[prompt]

    def draw(self, prompt: str, seed: int, beginning: Beginning | None = None) -> Drawing:
        """The picture of a prompt, drawn now or before."""
        key = _key(prompt, seed, beginning)
        found = self._found(key, prompt)
        if found is None:
            self._draw([(prompt, seed, beginning)])
            found = self._found(key, prompt)
        if found is None:
            raise LookupError(f"{key} was drawn and is not there")
        return found

    def draw_all(self, wanted: Iterable[tuple[str, int]]) -> Iterator[int]:
        """Draw pictures from noise beforehand, in batches; yields how many were looked at, as it goes on."""
        batch: list[tuple[str, int, Beginning | None]] = []
        for number, (prompt, seed) in enumerate(dict.fromkeys(wanted), start=1):
            if self._found(_key(prompt, seed, None), prompt) is None:
                batch.append((prompt, seed, None))
            if len(batch) == BATCH:
                self._draw(batch)
                batch = []
            yield number
        if batch:
            self._draw(batch)

    def shows(self, drawing: str, prompt: str) -> bool:
        """The judge's verdict; a prompt of the grammar is what it needs."""
        demand = parse(prompt)
        if demand is None:
            raise ValueError(f"{prompt!r} lies outside the grammar")
        return compare(self._sighting(drawing), demand, any_background=not names_background(prompt)).right

    def kept_latents(self, drawing: str) -> list[torch.Tensor]:
        """The drawing's latents after each kept step, and at its end."""
        (data,) = self._store.execute("SELECT latents FROM drawings WHERE key = ?", (drawing,)).fetchone()
        numbers = np.frombuffer(zlib.decompress(data), np.float32).reshape(len(self._kept_steps) + 1, -1)
        return [torch.from_numpy(row.copy()).reshape(self._shape) for row in numbers]

    def latents_per_picture(self) -> tuple[int, int]:
        """Bytes of the latents at all kept steps of a picture from noise, as numbers and as files in the mean."""
        (packed,) = self._store.execute("SELECT avg(latent_bytes) FROM drawings WHERE key NOT LIKE '%<%'").fetchone()
        return 4 * len(self._kept_steps) * self._shape.numel(), round(packed)

    def _draw(self, wanted: Sequence[tuple[str, int, Beginning | None]]) -> None:
        states = [self._state(prompt, seed, beginning) for prompt, seed, beginning in wanted]
        first = min(state.step for state in states)
        kept: list[dict[int, torch.Tensor]] = [{} for _ in wanted]
        for step in range(first + 1, self.steps + 1):
            states = self._pipeline.step(states)
            if step in self._kept_steps or step == self.steps:
                for latents, state in zip(kept, states, strict=True):
                    latents[step] = state.latents
        for each, state, latents in zip(wanted, states, kept, strict=True):
            self._keep(_key(*each), self._pipeline.decode(state), latents)

    def _state(self, prompt: str, seed: int, beginning: Beginning | None) -> SampleState:
        begun = self._begun(prompt, seed)
        if beginning is None:
            return begun
        latents = self.kept_latents(beginning.drawing)
        if not beginning.renoised:
            return resumed(begun, latents[self._kept_steps.index(beginning.step)], beginning.step)
        sigma = begun.sigmas[beginning.step]
        return resumed(begun, sigma * begun.latents + (1 - sigma) * latents[-1], beginning.step)

    def _begun(self, prompt: str, seed: int) -> SampleState:
        spec = self._spec(prompt, seed)
        return self._pipeline.prepare(spec, self._embeddings.embedding(self._pipeline, spec), None)

    def _spec(self, prompt: str, seed: int) -> PictureSpec:
        return PictureSpec(
            task=Task.TEXT_TO_IMAGE, variant=self._variant, prompt=prompt, width=SIDE, height=SIDE, native_width=SIDE,
            native_height=SIDE, steps=self.steps, seed=seed,
        )  # fmt: skip

    def _keep(self, key: str, pixels: Pixels, latents: dict[int, torch.Tensor]) -> None:
        last = latents[self.steps]
        rows = [latents.get(step, torch.zeros_like(last)) for step in (*self._kept_steps, self.steps)]
        data = zlib.compress(np.stack([row.numpy().ravel() for row in rows]).tobytes(), 1)
        packed = sum(len(pack(latents[step])) for step in self._kept_steps if step in latents)
        seen = json.dumps(asdict(see(pixels)))
        size = len(encode_picture(pixels, ImageFormat.PNG, quality=None))
        self._store.execute("INSERT OR REPLACE INTO drawings VALUES (?, ?, ?, ?, ?)", (key, seen, size, packed, data))

    def _found(self, key: str, prompt: str) -> Drawing | None:
        row = self._store.execute("SELECT byte_count, latent_bytes FROM drawings WHERE key = ?", (key,)).fetchone()
        return None if row is None else Drawing(key=key, prompt=prompt, byte_count=row[0], latent_bytes=row[1])

    def _sighting(self, drawing: str) -> Sighting:
        if drawing not in self._sightings:
            (text,) = self._store.execute("SELECT seen FROM drawings WHERE key = ?", (drawing,)).fetchone()
            seen = json.loads(text)
            things = tuple(SeenObject(**each) for each in seen["objects"])
            self._sightings[drawing] = replace(Sighting(seen["background"], ()), objects=things)
        return self._sightings[drawing]


def _key(prompt: str, seed: int, beginning: Beginning | None) -> str:
    if beginning is None:
        return f"{seed} {prompt}"
    way = "from the end of" if beginning.renoised else "from"
    donor = beginning.drawing
    if "<" in donor:
        donor = f"<{sha256(donor.encode()).hexdigest()}"
    return f"{seed} {prompt} <{beginning.step} {way} {donor}>"
