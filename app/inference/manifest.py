"""What a model folder says about itself in `darkroom.json`, beside its diffusers files."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError

from app.errors import ConfigurationError

FILE_NAME = "darkroom.json"


class Manifest(BaseModel):
    """How a model wants to be run; the defaults suit a folder that says nothing.

    `family` draws it, and `auto` is the one that its diffusers files call for;
    `max_sequence_length` is in tokens, `native_sizes` are width and height in pixels, and
    `prompt_suffix` maps "WIDTHxHEIGHT" to words that the model was trained to see behind
    the prompt of a picture of that size.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    family: str = "auto"
    max_sequence_length: PositiveInt | None = None
    native_sizes: tuple[tuple[PositiveInt, PositiveInt], ...] = ()
    prompt_suffix: dict[str, str] = {}
    default_steps: PositiveInt = 4

    def prompt_for(self, prompt: str, width: int, height: int) -> str:
        """The prompt as the model expects it for a picture of `width` by `height` pixels."""
        suffix = self.prompt_suffix.get(f"{width}x{height}", "").strip()
        return f"{prompt} {suffix}" if suffix else prompt


def read_manifest(folder: Path) -> Manifest:
    """The folder's manifest, or the defaults when it has none; raises ConfigurationError for a broken one."""
    path = folder / FILE_NAME
    if not path.is_file():
        return Manifest()
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise ConfigurationError(f"{path} is not a valid model manifest: {error}") from error
