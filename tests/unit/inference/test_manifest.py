"""What a model folder may say about itself."""

import json
from pathlib import Path

import pytest

from app.errors import ConfigurationError
from app.inference.manifest import Manifest, read_manifest


def test_a_folder_without_a_manifest_gets_the_defaults(tmp_path: Path) -> None:
    """A model that was not made for Darkroom is drawn by the family that its files call for, with its own defaults."""
    assert read_manifest(tmp_path) == Manifest()
    assert Manifest().prompt_for("a cat", 1024, 1024) == "a cat"


def test_the_suffix_of_the_size_follows_the_prompt(tmp_path: Path) -> None:
    """The words trained for a native size are appended for that size alone."""
    content = {"family": "flux", "max_sequence_length": 24, "prompt_suffix": {"64x48": "<64x48>", "64x64": ""}}
    (tmp_path / "darkroom.json").write_text(json.dumps(content))
    manifest = read_manifest(tmp_path)
    assert manifest.max_sequence_length == 24
    assert manifest.prompt_for("a cat", 64, 48) == "a cat <64x48>"
    assert manifest.prompt_for("a cat", 64, 64) == "a cat"


@pytest.mark.parametrize("content", ["{", '{"max_sequence_length": 0}', '{"native_sizes": [[64]]}'])
def test_a_broken_manifest_is_named(tmp_path: Path, content: str) -> None:
    """A manifest that cannot be read stops the start and names its file."""
    (tmp_path / "darkroom.json").write_text(content)
    with pytest.raises(ConfigurationError, match=r"darkroom\.json"):
        read_manifest(tmp_path)
