"""The tiny FLUX pipeline, once per session, in memory and as a folder."""

from pathlib import Path

import pytest
from diffusers import FluxPipeline
from tiny_flux import tiny_flux


@pytest.fixture(scope="session")
def flux() -> FluxPipeline:
    """A tiny FLUX pipeline of random weights."""
    return tiny_flux()


@pytest.fixture(scope="session")
def flux_folder(flux: FluxPipeline, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny pipeline's folder, as a model is shipped."""
    folder = tmp_path_factory.mktemp("tiny-flux")
    flux.save_pretrained(folder)
    return folder
