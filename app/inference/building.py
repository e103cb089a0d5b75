"""Makes an engine from the settings of the variants that it serves."""

import gc
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import torch

from app.config import VariantSettings
from app.inference.components import ComponentPool
from app.inference.engine.cost_store import CostStore
from app.inference.engine.front import StepEngine
from app.inference.engine.memory import DeviceMemory, memory_of
from app.inference.engine.variant import EngineVariant
from app.inference.engine.warming import Rehearsal
from app.inference.loader import LoadedModel, choose_device, load_variant, resident_bytes, weigh_variant
from app.inference.pipelines.contract import StepPipeline
from app.inference.ports import Blobs, Keys
from app.inference.shelf import ModelShelf
from app.telemetry.events import Observer, VariantReady, ignore

_UNBOUND_SIZES = ((1024, 1024), (768, 768), (512, 512))
COSTS_FOLDER = Path.home() / ".cache" / "darkroom" / "costs"


async def build_engine(
    variants: Mapping[str, VariantSettings],
    *,
    blobs: Blobs,
    keys: Keys,
    replica: str,
    observer: Observer = ignore,
    clock: Callable[[], float] = time.time,
    costs_folder: Path = COSTS_FOLDER,
) -> StepEngine:
    """The engine of one replica of a host: its variants share one device, and each was loaded and drew.

    Raises ConfigurationError that says what to do when a model cannot be had.
    """
    host = next(iter(variants.values()))
    torch.set_num_threads(max(settings.threads for settings in variants.values()))
    memory = memory_of(choose_device(host.device))
    shelf = _shelf(variants, memory=memory, replica=replica, observer=observer, clock=clock)
    stores = {name: _cost_store(costs_folder, name, settings) for name, settings in variants.items()}
    known = {name: _engine_variant(name, settings, shelf, stores[name]) for name, settings in variants.items()}
    engine = StepEngine(
        known, blobs=blobs, keys=keys, replica=replica, memory=memory, observer=observer, clock=clock,
        effort=_effort_of(host),
    )  # fmt: skip
    for name, settings in variants.items():
        started_s = clock()
        load_s = await engine.call(partial(_warm, name, settings, known[name], shelf, memory))
        stores[name].save(known[name].costs)
        observer(
            VariantReady(
                variant=name, replica=replica, load_s=load_s, warm_s=clock() - started_s - load_s,
                resident_bytes=resident_bytes(),
            )
        )  # fmt: skip
    _settle()
    return engine


def _shelf(
    variants: Mapping[str, VariantSettings],
    *,
    memory: DeviceMemory,
    replica: str,
    observer: Observer,
    clock: Callable[[], float],
) -> ModelShelf[LoadedModel]:
    pool = ComponentPool()
    return ModelShelf(
        load=lambda name: load_variant(variants[name], pool=pool),
        weigh=lambda name: weigh_variant(variants[name]),
        budget_bytes=next(iter(variants.values())).memory_bytes,
        pinned={name for name, settings in variants.items() if settings.pinned},
        give_back=memory.trim,
        replica=replica,
        observer=observer,
        clock=clock,
    )


def _engine_variant(
    name: str, settings: VariantSettings, shelf: ModelShelf[LoadedModel], store: CostStore
) -> EngineVariant:
    def pipeline() -> StepPipeline:
        return shelf.hold(name).pipeline

    return EngineVariant(
        pipeline=pipeline,
        costs=store.load(),
        batch_sizes=settings.formed_batch_sizes,
        has_room=partial(shelf.has_room_for, name),
        let_go=partial(shelf.let_go, name),
    )


def _warm(
    name: str,
    settings: VariantSettings,
    variant: EngineVariant,
    shelf: ModelShelf[LoadedModel],
    memory: DeviceMemory,
) -> float:
    """Load the variant and draw with it in every size; returns the seconds that loading took."""
    with shelf.use(name) as model:
        rehearsal = Rehearsal(
            model.pipeline, variant=name, costs=variant.costs, memory=memory, clock=time.perf_counter,
            effort=_effort_of(settings),
        )  # fmt: skip
        for size in settings.native_sizes or model.manifest.native_sizes or _UNBOUND_SIZES:
            rehearsal.perform(size, variant.batch_sizes)
        return model.load_s


def _settle() -> None:
    """Spare the garbage collector what was loaded: it stays, and looking through it takes long."""
    gc.collect()
    gc.freeze()


def _effort_of(settings: VariantSettings) -> Callable[[], float]:
    """What counts the seconds of work: a CPU is shared with whatever else runs, a GPU hardly ever is."""
    return time.thread_time if choose_device(settings.device) == "cpu" else time.perf_counter


def _cost_store(folder: Path, name: str, settings: VariantSettings) -> CostStore:
    """Where the costs of the variant are kept, by everything that they depend on beside the load of the machine."""
    device = choose_device(settings.device)
    hardware = f"cpu {torch.get_num_threads()}" if device == "cpu" else torch.cuda.get_device_name(device)
    shaping = settings.model_dump_json(exclude={"autoscaling", "default_steps", "max_steps", "num_cpus", "num_gpus"})
    return CostStore(folder, name, hardware, torch.__version__, shaping)
