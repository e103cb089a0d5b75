"""The FLUX family: what FluxPipeline and FluxImg2ImgPipeline of diffusers compute, one step at a time."""

from collections.abc import Hashable, Sequence
from dataclasses import replace

import numpy as np
import torch
from diffusers import FluxPipeline
from diffusers.pipelines.flux.pipeline_flux import calculate_shift
from diffusers.utils.torch_utils import randn_tensor
from PIL import Image

from app.generation import PictureSpec
from app.inference.manifest import Manifest
from app.inference.pictures import Pixels, cover
from app.inference.pipelines.autoencoding import as_pixels, decoded, encoded
from app.inference.pipelines.contract import PromptEmbedding, SampleState
from app.inference.pipelines.previews import predicted_end, reduced

# In tokens: what the guided models were trained on, and the distilled ones, which know no guidance.
_GUIDED_SEQUENCE_LENGTH, _DISTILLED_SEQUENCE_LENGTH = 512, 256


class FluxStepPipeline:
    """A FLUX model that draws in steps; `parts` is the diffusers pipeline that holds its networks."""

    reports_velocity = True

    def __init__(self, pipeline: FluxPipeline, manifest: Manifest, encoder_revision: str = "") -> None:
        self.parts = pipeline
        self._manifest = manifest
        self._encoder_revision = encoder_revision
        is_guided = pipeline.transformer.config.guidance_embeds
        usual = _GUIDED_SEQUENCE_LENGTH if is_guided else _DISTILLED_SEQUENCE_LENGTH
        self._sequence_length = manifest.max_sequence_length or usual

    def embedding_key(self, spec: PictureSpec) -> Hashable:
        """The words that the text encoders see, and which encoders they are."""
        words = self._manifest.prompt_for(spec.prompt, spec.native_width, spec.native_height)
        return "flux", self._encoder_revision, words, self._sequence_length

    @torch.inference_mode()
    def encode(self, spec: PictureSpec) -> PromptEmbedding:
        """The embedding of the spec's prompt; FLUX knows no negative one."""
        tokens, pooled, _ = self.parts.encode_prompt(
            prompt=self._manifest.prompt_for(spec.prompt, spec.native_width, spec.native_height),
            device=self._device,
            max_sequence_length=self._sequence_length,
        )
        return PromptEmbedding(tokens=tokens, pooled=pooled)

    @torch.inference_mode()
    def prepare(self, spec: PictureSpec, embedding: PromptEmbedding, source: Image.Image | None) -> SampleState:
        """The state before the first step; an image-to-image spec runs at least one."""
        strength = 1.0 if source is None else spec.strength
        timesteps, sigmas = self._schedule(spec, strength)
        generator = torch.Generator("cpu").manual_seed(spec.seed)
        image = None if source is None else self._encode_source(source, spec, generator)
        noise = randn_tensor(self._latent_shape(spec), generator, self._device, embedding.tokens.dtype)
        return SampleState(
            latents=self._pack(noise if image is None else _blend(image, noise, sigmas[0])),
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
        velocities = torch.split(self._velocities(states), 1)
        moved = [_advance(state, velocity) for state, velocity in zip(states, velocities, strict=True)]
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return moved

    @torch.inference_mode()
    def decode(self, state: SampleState) -> Pixels:
        """The picture that the state shows."""
        return self._picture(self._unpack(state, state.latents))

    @torch.inference_mode()
    def preview(self, before: SampleState, after: SampleState) -> Pixels:
        """The predicted end of the path, decoded from reduced latents."""
        return self._picture(reduced(self._unpack(after, predicted_end(before, after)), self.parts.vae_scale_factor))

    def _unpack(self, state: SampleState, latents: torch.Tensor) -> torch.Tensor:
        scale = self.parts.vae_scale_factor
        unpacked: torch.Tensor = self.parts._unpack_latents(latents, state.height, state.width, scale)
        return unpacked

    def _picture(self, latents: torch.Tensor) -> Pixels:
        return as_pixels(decoded(self.parts.vae, latents))

    @property
    def _device(self) -> torch.device:
        device: torch.device = self.parts.transformer.device
        return device

    def _velocities(self, states: Sequence[SampleState]) -> torch.Tensor:
        first = states[0]
        dtype = first.latents.dtype
        timestep = torch.stack([state.timesteps[state.step] for state in states]).to(dtype)
        velocities: torch.Tensor = self.parts.transformer(
            hidden_states=torch.cat([state.latents for state in states]),
            timestep=timestep / 1000,
            guidance=self._guidance(states),
            pooled_projections=torch.cat([state.embedding.pooled for state in states]),
            encoder_hidden_states=torch.cat([state.embedding.tokens for state in states]),
            txt_ids=torch.zeros(self._sequence_length, 3, device=self._device, dtype=dtype),
            img_ids=self._position_ids(first.width, first.height, dtype),
            return_dict=False,
        )[0]
        return velocities

    def _guidance(self, states: Sequence[SampleState]) -> torch.Tensor | None:
        if not self.parts.transformer.config.guidance_embeds:
            return None
        return torch.tensor([state.guidance_scale for state in states], device=self._device, dtype=torch.float32)

    def _position_ids(self, width: int, height: int, dtype: torch.dtype) -> torch.Tensor:
        patch = 2 * self.parts.vae_scale_factor
        ids: torch.Tensor = self.parts._prepare_latent_image_ids(
            1, height // patch, width // patch, self._device, dtype
        )
        return ids

    def _latent_shape(self, spec: PictureSpec) -> tuple[int, int, int, int]:
        patch = 2 * self.parts.vae_scale_factor
        channels = self.parts.transformer.config.in_channels // 4
        return (1, channels, 2 * (spec.native_height // patch), 2 * (spec.native_width // patch))

    def _pack(self, latents: torch.Tensor) -> torch.Tensor:
        packed: torch.Tensor = self.parts._pack_latents(latents, *latents.shape)
        return packed

    def _schedule(self, spec: PictureSpec, strength: float) -> tuple[torch.Tensor, torch.Tensor]:
        scheduler = self.parts.scheduler
        _, _, rows, columns = self._latent_shape(spec)
        config = scheduler.config
        mu = calculate_shift(
            rows * columns // 4,
            config.base_image_seq_len,
            config.max_image_seq_len,
            config.base_shift,
            config.max_shift,
        )
        sigmas = None if config.get("use_flow_sigmas") else np.linspace(1.0, 1 / spec.steps, spec.steps)
        scheduler.set_timesteps(spec.steps, device=self._device, sigmas=sigmas, mu=mu)
        first = min(int(spec.steps - spec.steps * strength), spec.steps - 1)
        return scheduler.timesteps[first:], scheduler.sigmas[first:]

    def _encode_source(self, source: Image.Image, spec: PictureSpec, generator: torch.Generator) -> torch.Tensor:
        size = (spec.native_width, spec.native_height)
        picture = self.parts.image_processor.preprocess(cover(source, *size), height=size[1], width=size[0])
        return encoded(self.parts.vae, picture.to(self._device, self.parts.vae.dtype), generator)


def _blend(image: torch.Tensor, noise: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    sigma = sigma.to(image.dtype)
    return sigma * noise + (1.0 - sigma) * image


def _advance(state: SampleState, velocity: torch.Tensor) -> SampleState:
    stride = state.sigmas[state.step + 1] - state.sigmas[state.step]
    latents = (state.latents.float() + stride * velocity).to(velocity.dtype)
    return replace(state, latents=latents, step=state.step + 1, velocity=velocity)
