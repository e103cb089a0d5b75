"""The name for weights: another one as soon as they change, without reading them whole."""

from pathlib import Path

import pytest

from app.cache.weights import software, weights_fingerprint


def model(folder: Path) -> Path:
    """A folder with a large file and a small one."""
    folder.mkdir()
    (folder / "weights.safetensors").write_bytes(bytes(3 << 20))
    (folder / "config.json").write_text("{}")
    return folder


@pytest.mark.parametrize("place", [0, (3 << 20) - 1], ids=["first byte", "last byte"])
def test_other_weights_have_another_name(tmp_path: Path, place: int) -> None:
    """What was trained on is no longer what it was."""
    folder = model(tmp_path / "model")
    before = weights_fingerprint(str(folder))
    with (folder / "weights.safetensors").open("r+b") as file:
        file.seek(place)
        file.write(b"x")

    assert before
    assert weights_fingerprint(str(folder)) != before


def test_the_name_is_that_of_the_content(tmp_path: Path) -> None:
    """Copies on other machines have it too; a file more, or another name for one, is another model."""
    (tmp_path / "elsewhere").mkdir()
    one, copy = model(tmp_path / "model"), model(tmp_path / "elsewhere" / "model")
    same = weights_fingerprint(str(one)) == weights_fingerprint(str(copy))
    (copy / "config.json").rename(copy / "other.json")

    assert same
    assert weights_fingerprint(str(one)) != weights_fingerprint(str(copy))


def test_sources() -> None:
    """Built-in models have names; what is not on this machine has none."""
    names = {weights_fingerprint(f"builtin:{name}") for name in ("sketch", "sketch-fast", "upscaler")}

    assert len(names - {""}) == 3
    assert weights_fingerprint("nobody/has-this-model") == weights_fingerprint("/absent") == ""


def test_the_software_is_named() -> None:
    """Releases that round differently are told apart."""
    assert {"torch", "diffusers"} <= set(software())
