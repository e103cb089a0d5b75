"""Where models lie: `builtin:NAME`, a folder in diffusers format, or a model id of the hub."""

from pathlib import Path

from diffusers import DiffusionPipeline

from app.errors import ConfigurationError

BUILTIN_WEIGHTS = Path(__file__).parents[1] / "builtin" / "weights"
_BUILTIN = "builtin:"


def find_folder(source: str, *, builtin_weights: Path = BUILTIN_WEIGHTS) -> Path:
    """The local folder behind a source, fetched from the hub where needed; raises ConfigurationError."""
    if source.startswith(_BUILTIN):
        return _builtin_folder(builtin_weights, source.removeprefix(_BUILTIN))
    folder = Path(source).expanduser()
    if (folder / "model_index.json").is_file():
        return folder
    if folder.exists() or source.startswith((".", "/", "~")):
        raise ConfigurationError(
            f"{source} is not a model folder: it has no model_index.json; name the folder that holds one"
        )
    return _fetch(source)


def _builtin_folder(builtin_weights: Path, name: str) -> Path:
    folder = builtin_weights / name
    if (folder / "model_index.json").is_file():
        return folder
    known = sorted(path.parent.name for path in builtin_weights.glob("*/model_index.json"))
    raise ConfigurationError(
        f"there is no built-in model {name!r}; built in: {', '.join(known) or 'none'}; `darkroom train` makes them"
    )


def _fetch(model_id: str) -> Path:
    try:
        return Path(DiffusionPipeline.download(model_id))
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{model_id} could not be fetched from the hub ({type(error).__name__}); check the id and the network, "
            f"accept its licence and set HF_TOKEN if it is gated, or name a local folder that holds the model"
        ) from error
