"""The built-in upscaler: a small residual network that doubles a picture's size, and its files."""

import json
from pathlib import Path
from typing import Final

from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

MANIFEST_FILE: Final = "darkroom.json"
WEIGHTS_FILE: Final = "upscaler.safetensors"


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode="replicate")


class _ResidualBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _convolution(channels, channels)
        self.second = _convolution(channels, channels)

    def forward(self, features: Tensor) -> Tensor:
        refined: Tensor = self.second(functional.leaky_relu(self.first(features), 0.1))
        return features + refined


class UpscalerNetwork(nn.Module):
    """Bicubic enlargement plus a learnt correction; untrained, the correction is zero."""

    def __init__(self, *, channels: int = 24, blocks: int = 2) -> None:
        super().__init__()
        self.architecture = {"channels": channels, "blocks": blocks}
        self.entry = _convolution(3, channels)
        self.blocks = nn.Sequential(*(_ResidualBlock(channels) for _ in range(blocks)))
        self.exit = _convolution(channels, 12)
        nn.init.zeros_(self.exit.weight)
        nn.init.zeros_(self.exit.bias)  # type: ignore[arg-type]

    def forward(self, pictures: Tensor) -> Tensor:
        """Pictures (N, 3, H, W) in [0, 1] as (N, 3, 2H, 2W), up to overshoot in [0, 1]."""
        smooth = functional.interpolate(pictures, scale_factor=2, mode="bicubic", align_corners=False)
        features = functional.leaky_relu(self.entry(pictures - 0.5), 0.1)
        return smooth + functional.pixel_shuffle(self.exit(functional.leaky_relu(self.blocks(features), 0.1)), 2)


def save_upscaler(network: UpscalerNetwork, folder: Path) -> None:
    """Write the network's architecture and float32 weights to a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    manifest = {"family": "upscaler", "scale": 2, **network.architecture}
    (folder / MANIFEST_FILE).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    weights = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    save_file(weights, folder / WEIGHTS_FILE)


def load_upscaler(folder: Path) -> UpscalerNetwork:
    """The network saved in a folder, ready to run."""
    manifest = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
    network = UpscalerNetwork(channels=manifest["channels"], blocks=manifest["blocks"])
    network.load_state_dict(load_file(folder / WEIGHTS_FILE))
    return network.eval().requires_grad_(False)
