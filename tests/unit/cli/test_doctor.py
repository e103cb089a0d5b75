"""What the doctor finds on machines of all kinds."""

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli.doctor import Finding, Grade, examine
from app.cli.machine import Machine, builtin_weights, inspect_machine
from app.cli.main import command_line
from app.config import DarkroomSettings, load_settings
from app.inference.devices import Gpu

LAPTOP = Machine(
    python="3.11.7",
    torch="2.13.0",
    gpus=(),
    cores=2,
    memory_bytes=8_000_000_000,
    free_disk_bytes=50_000_000_000,
    has_haproxy=True,
    has_fp8=False,
    has_compiler=False,
    taken_ports=frozenset(),
    weights={"sketch": 9_500_000, "upscaler": 400_000},
)
WORKSTATION = replace(LAPTOP, gpus=(Gpu("A GPU", 80_000_000_000),))
GPU_VARIANT = {"source": "org/model", "device": "cuda", "num_gpus": 1}


def settings_with(**changes: object) -> DarkroomSettings:
    """Settings of a server with one variant, changed at the top level."""
    base: dict[str, object] = {
        "variants": {"sketch": {"source": "builtin:sketch", "num_cpus": 0.5}},
        "endpoints": {"fal-ai/esrgan": {"task": "upscale"}},
    }
    return DarkroomSettings.model_validate(base | changes)


def finding(subject: str, machine: Machine, settings: DarkroomSettings) -> Finding:
    """What is found about one subject."""
    (found,) = [each for each in examine(machine, settings) if each.subject == subject]
    return found


def test_healthy_laptop() -> None:
    """Nothing is missing on a machine that can serve the built-in model."""
    assert {each.grade for each in examine(LAPTOP, settings_with())} == {Grade.GOOD}


@pytest.mark.parametrize(
    ("subject", "machine", "settings", "words"),
    [
        ("Memory", replace(LAPTOP, memory_bytes=10**9), settings_with(), "4 GB are needed"),
        ("Free disk", replace(LAPTOP, free_disk_bytes=10**6), settings_with(), "1 GB are needed"),
        ("CPU cores", LAPTOP, settings_with(ray={"num_cpus": 1}, upscaler={"num_cpus": 2}), "lower num_cpus"),
        ("Proxy", replace(LAPTOP, has_haproxy=False), settings_with(), "server.proxy: python"),
        ("Port 8000", replace(LAPTOP, taken_ports=frozenset({8000})), settings_with(), "change server.port"),
        ("Variant sketch", replace(LAPTOP, weights={}), settings_with(), "darkroom train"),
        ("Variant flux", LAPTOP, settings_with(variants={"flux": GPU_VARIANT}), "PyTorch sees none"),
        ("Variant flux", LAPTOP, settings_with(variants={"flux": {"source": "./absent"}}), "does not exist"),
        (
            "Variant flux",
            WORKSTATION,
            settings_with(variants={"flux": GPU_VARIANT | {"autoscaling": {"min_replicas": 2, "max_replicas": 2}}}),
            "ask for 2 GPUs and there are 1",
        ),
    ],
    ids=["memory", "disk", "cores", "haproxy", "port", "weights", "no gpu", "no folder", "too few gpus"],
)
def test_what_is_missing(subject: str, machine: Machine, settings: DarkroomSettings, words: str) -> None:
    """What is missing is said, with what to do about it."""
    found = finding(subject, machine, settings)

    assert found.grade is Grade.MISSING
    assert words in found.words


def test_model_of_the_hub() -> None:
    """A model that has to be fetched is pointed out, not refused."""
    assert finding("Variant flux", WORKSTATION, settings_with(variants={"flux": GPU_VARIANT})).grade is Grade.NOTE


def test_python_proxy_needs_no_haproxy() -> None:
    """Without HAProxy the Python proxy serves."""
    machine = replace(LAPTOP, has_haproxy=False)

    assert finding("Proxy", machine, settings_with(server={"proxy": "python"})).grade is Grade.NOTE


def test_this_machine(config: Path) -> None:
    """The machine of the tests has a Python, a PyTorch, cores, memory and disk."""
    machine = inspect_machine(load_settings(config))

    assert machine.python.startswith("3.")
    assert machine.torch.startswith("2.13.0")
    assert min(machine.cores, machine.memory_bytes, machine.free_disk_bytes) > 0


def test_weights_are_measured(tmp_path: Path) -> None:
    """Built-in models are the folders that hold anything, with the bytes of all their files."""
    (tmp_path / "sketch" / "vae").mkdir(parents=True)
    (tmp_path / "empty").mkdir()
    (tmp_path / "sketch" / "a.json").write_bytes(b"12")
    (tmp_path / "sketch" / "vae" / "b.safetensors").write_bytes(b"345")

    assert builtin_weights(tmp_path) == {"sketch": 5}


def test_status_of_the_command(tmp_path: Path) -> None:
    """The command ends with status 1 when something is missing, and names it."""
    path = tmp_path / "config.yaml"
    path.write_text("variants: {x: {source: ./absent}}\nendpoints: {a/b: {task: upscale}}\n", encoding="utf-8")
    result = CliRunner().invoke(command_line(), ["doctor", "--config", str(path)])

    assert result.exit_code == 1
    assert "./absent does not exist" in result.output


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"quantization": "fp8", "dtype": "bfloat16"}, "darkroom[quantization]"),
        ({"compile": "default", "native_sizes": [[64, 64]]}, "g++"),
        ({"lora_folder": "/no/such/folder"}, "/no/such/folder"),
    ],
)
def test_what_a_setting_needs_and_is_not_there(setting: dict[str, object], words: str) -> None:
    """The doctor names the package, the program or the folder that is missing."""
    settings = settings_with(variants={"sketch": {"source": "builtin:sketch"} | setting})
    found = finding("Variant sketch", LAPTOP, settings)
    assert found.grade is Grade.MISSING
    assert words in found.words


def test_variants_of_one_host_ask_for_one_process() -> None:
    """Their cores are counted once."""
    shared = {"source": "builtin:sketch", "num_cpus": 2, "host": "one"}
    settings = settings_with(variants={"sketch": shared, "sketch-int8": shared | {"quantization": "int8"}})
    assert "ask for 2.5 of the 2" in finding("CPU cores", LAPTOP, settings).words
