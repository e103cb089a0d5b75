"""Rendering the Serve configuration into a manifest."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from app.cli.cluster import deployment_names, render, rendered, serve_config
from app.config import DarkroomSettings, load_settings
from app.errors import ConfigurationError

MANIFEST = """\
kind: RayService
spec:
  serveConfigV2: |
    old: 1
    applications:
      - x
  rayClusterConfig:
    rayVersion: "1"  # a comment
"""


@pytest.fixture
def settings(config: Path) -> DarkroomSettings:
    """Valid settings."""
    return load_settings(config)


def test_only_the_block_changes(settings: DarkroomSettings) -> None:
    """Everything around the block stays byte for byte, comments included."""
    text = rendered(MANIFEST, config=Path("configs/x.yaml"), settings=settings)

    assert text.startswith("kind: RayService\nspec:\n  serveConfigV2: |\n    proxy_location:")
    assert text.endswith('  rayClusterConfig:\n    rayVersion: "1"  # a comment\n')
    assert "old: 1" not in text


def test_block_is_the_serve_config(settings: DarkroomSettings) -> None:
    """What stands in the block afterwards is the Serve configuration."""
    text = rendered(MANIFEST, config=Path("configs/x.yaml"), settings=settings)
    block = yaml.safe_load(yaml.safe_load(text)["spec"]["serveConfigV2"])

    assert block == serve_config(settings, config=Path("configs/x.yaml"))
    assert block["applications"][0]["args"] == {"config": "configs/x.yaml"}


def test_rendering_twice_is_rendering_once(config: Path, tmp_path: Path) -> None:
    """A rendered file does not change when it is rendered again."""
    manifest = tmp_path / "rayservice.yaml"
    manifest.write_text(MANIFEST, encoding="utf-8")
    render(manifest, config)
    once = manifest.read_text(encoding="utf-8")
    render(manifest, config)

    assert manifest.read_text(encoding="utf-8") == once


def test_no_block(settings: DarkroomSettings) -> None:
    """A file without the block is refused, not extended."""
    with pytest.raises(ConfigurationError, match="serveConfigV2"):
        rendered("kind: Pod\n", config=Path("x"), settings=settings)


@given(names=st.sets(st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True), min_size=1, max_size=5))
def test_one_deployment_per_variant(names: set[str]) -> None:
    """The gateway, the router and the upscaler stand once, and each variant has its own deployment."""
    settings = DarkroomSettings.model_validate(
        {"variants": {name: {"source": "x"} for name in names}, "endpoints": {"a/b": {"task": "upscale"}}}
    )

    assert sorted(deployment_names(settings)) == sorted(
        ["Gateway", "Router", "Upscaler", *(f"Model-{name}" for name in names)]
    )
