"""The SDXL family: what StableDiffusionXLPipeline and its image-to-image sibling compute, one step at a time."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline
from diffusers.utils.torch_utils import randn_tensor
from PIL import Image

from app.errors import ConfigurationError
from app.generation import PictureSpec
from app.inference.manifest import Manifest
from app.inference.pictures import Pixels, cover
from app.inference.pipelines.autoencoding import as_pixels, decoded, encoded
from app.inference.pipelines.contract import PromptEmbedding, SampleState
from app.inference.pipelines.previews import predicted_end, reduced

_PREDICTIONS = ("epsilon", "v_prediction", "sample")


@dataclass(frozen=True, slots=True)
class _Row:
    """What the network sees once: a guided sample is two rows, away from its negative prompt and towards its prompt."""

    state: SampleState
    embedding: PromptEmbedding


class SdxlStepPipeline:
    """An SDXL model that draws in Euler steps, guided and unguided pictures in one batch.

    `parts` is the diffusers pipeline that holds its networks. Raises ConfigurationError when the
    network predicts something that Euler's method is not known for.
    """

    reports_velocity = True

    def __init__(self, pipeline: StableDiffusionXLPipeline, manifest: Manifest, encoder_revision: str = "") -> None:
        self.parts = pipeline
        self._manifest = manifest
        self._encoder_revision = encoder_revision
        self._scheduler = EulerDiscreteScheduler.from_config(pipeline.scheduler.config)
        self._prediction: str = self._scheduler.config.prediction_type
        if self._prediction not in _PREDICTIONS:
            raise ConfigurationError(f"prediction_type {self._prediction!r} is unknown; known: {_PREDICTIONS}")

    def embedding_key(self, spec: PictureSpec) -> Hashable:
        """The words that the text encoders see, which encoders they are, and what an empty negative prompt means."""
        negative = spec.negative_prompt if self._is_guided(spec.guidance_scale) else None
        zeros: bool = self.parts.config.force_zeros_for_empty_prompt
        return "sdxl", self._encoder_revision, self._words(spec), negative, zeros

    @torch.inference_mode()
    def encode(self, spec: PictureSpec) -> PromptEmbedding:
        """The embedding of the spec's prompts; the negative one only for a spec that is guided."""
        guided = self._is_guided(spec.guidance_scale)
        tokens, negative_tokens, pooled, negative_pooled = self.parts.encode_prompt(
            prompt=self._words(spec),
            negative_prompt=spec.negative_prompt or None,
            do_classifier_free_guidance=guided,
            device=self._device,
        )
        negative = PromptEmbedding(tokens=negative_tokens, pooled=negative_pooled) if guided else None
        return PromptEmbedding(tokens=tokens, pooled=pooled, negative=negative)

    @torch.inference_mode()
    def prepare(self, spec: PictureSpec, embedding: PromptEmbedding, source: Image.Image | None) -> SampleState:
        """The state before the first step; an image-to-image spec runs at least one."""
        timesteps, sigmas = self._schedule(spec, 1.0 if source is None else spec.strength)
        generator, dtype = torch.Generator("cpu").manual_seed(spec.seed), embedding.tokens.dtype
        image = None if source is None else self._encode_source(source, spec, generator, dtype)
        noise = randn_tensor(self._latent_shape(spec), generator, self._device, dtype)
        start = noise * self._scheduler.init_noise_sigma if image is None else image + noise * sigmas[0].to(dtype)
        return SampleState(
            latents=start,
            embedding=embedding,
            timesteps=timesteps,
            sigmas=sigmas,
            step=0,
            width=spec.native_width,
            height=spec.native_height,
            guidance_scale=spec.guidance_scale,
            loras=spec.loras,
        )

    @torch.inference_mode()
    def step(self, states: Sequence[SampleState]) -> list[SampleState]:
        """Each state after one more Euler step."""
        rows = [_Row(state, embedding) for state in states for embedding in _embeddings(state)]
        outputs = iter(torch.split(self._outputs(rows), 1))
        moved = [self._advance(state, [next(outputs) for _ in _embeddings(state)]) for state in states]
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return moved

    @torch.inference_mode()
    def decode(self, state: SampleState) -> Pixels:
        """The picture that the state shows."""
        return as_pixels(decoded(self.parts.vae, state.latents))

    @torch.inference_mode()
    def preview(self, before: SampleState, after: SampleState) -> Pixels:
        """The predicted end of the path, decoded from reduced latents."""
        latents = reduced(predicted_end(before, after), self.parts.vae_scale_factor)
        return as_pixels(decoded(self.parts.vae, latents))

    @property
    def _device(self) -> torch.device:
        device: torch.device = self.parts.unet.device
        return device

    def _words(self, spec: PictureSpec) -> str:
        return self._manifest.prompt_for(spec.prompt, spec.native_width, spec.native_height)

    def _is_guided(self, guidance_scale: float) -> bool:
        """A network that is told the scale needs no second row."""
        return guidance_scale > 1 and self.parts.unet.config.time_cond_proj_dim is None

    def _schedule(self, spec: PictureSpec, strength: float) -> tuple[torch.Tensor, torch.Tensor]:
        self._scheduler.set_timesteps(spec.steps, device=self._device)
        first = min(spec.steps - int(spec.steps * strength), spec.steps - 1)
        return self._scheduler.timesteps[first:], self._scheduler.sigmas[first:]

    def _latent_shape(self, spec: PictureSpec) -> tuple[int, int, int, int]:
        scale = self.parts.vae_scale_factor
        return 1, self.parts.unet.config.in_channels, spec.native_height // scale, spec.native_width // scale

    def _encode_source(
        self, source: Image.Image, spec: PictureSpec, generator: torch.Generator, dtype: torch.dtype
    ) -> torch.Tensor:
        pixels = self.parts.image_processor.preprocess(cover(source, spec.native_width, spec.native_height))
        return encoded(self.parts.vae, pixels.to(self._device, dtype), generator)

    def _outputs(self, rows: Sequence[_Row]) -> torch.Tensor:
        states, embeddings = [row.state for row in rows], [row.embedding for row in rows]
        outputs: torch.Tensor = self.parts.unet(
            torch.cat([_scaled(state) for state in states]),
            torch.stack([state.timesteps[state.step] for state in states]),
            encoder_hidden_states=torch.cat([embedding.tokens for embedding in embeddings]),
            timestep_cond=self._guidance(states),
            added_cond_kwargs={
                "text_embeds": torch.cat([embedding.pooled for embedding in embeddings]),
                "time_ids": _sizes(states),
            },
            return_dict=False,
        )[0]
        return outputs

    def _guidance(self, states: Sequence[SampleState]) -> torch.Tensor | None:
        width = self.parts.unet.config.time_cond_proj_dim
        if width is None:
            return None
        scales = torch.tensor([state.guidance_scale - 1 for state in states])
        vectors: torch.Tensor = self.parts.get_guidance_scale_embedding(scales, embedding_dim=width)
        return vectors.to(states[0].latents)

    def _advance(self, state: SampleState, outputs: Sequence[torch.Tensor]) -> SampleState:
        output = _guided(outputs, state.guidance_scale)
        sigma, following = state.sigmas[state.step], state.sigmas[state.step + 1]
        latents = state.latents.float()
        slope = (latents - _end(self._prediction, output, latents, sigma)) / sigma
        moved = (latents + slope * (following - sigma)).to(output.dtype).contiguous()
        return replace(state, latents=moved, step=state.step + 1, velocity=slope)


def _embeddings(state: SampleState) -> list[PromptEmbedding]:
    negative = state.embedding.negative
    return [state.embedding] if negative is None else [negative, state.embedding]


def _scaled(state: SampleState) -> torch.Tensor:
    scaled: torch.Tensor = state.latents / (state.sigmas[state.step] ** 2 + 1) ** 0.5
    return scaled


def _sizes(states: Sequence[SampleState]) -> torch.Tensor:
    """Size, crop and wanted size of each picture, as the network was trained to be told."""
    sizes = [[state.height, state.width, 0, 0, state.height, state.width] for state in states]
    return torch.tensor(sizes, device=states[0].latents.device, dtype=states[0].embedding.tokens.dtype)


def _guided(outputs: Sequence[torch.Tensor], scale: float) -> torch.Tensor:
    if len(outputs) == 1:
        return outputs[0]
    away, towards = outputs
    return away + scale * (towards - away)


def _end(prediction: str, output: torch.Tensor, latents: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """The finished latents that an output of the network stands for."""
    if prediction == "epsilon":
        return latents - sigma * output
    if prediction == "v_prediction":
        return output * (-sigma / (sigma**2 + 1) ** 0.5) + latents / (sigma**2 + 1)
    return output
