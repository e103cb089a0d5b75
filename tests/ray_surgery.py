"""Operations on the actors of a running Ray, which no interface offers: what goes wrong inside them, on purpose."""

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil

_ADDRESS = "--gcs-address="
_PROGRAM = """
import json, sys, ray
sys.path.insert(0, sys.argv[5])
import ray_surgery
ray.init(address=sys.argv[1], log_to_driver=False, logging_level="ERROR")
actor = ray.get_actor(sys.argv[2], namespace=sys.argv[3])
operation = getattr(ray_surgery, sys.argv[4])
ray.cloudpickle.register_pickle_by_value(ray_surgery)
print(json.dumps(ray.get(actor.__ray_call__.remote(operation, *json.loads(sys.argv[6])), timeout=30)))
"""

FORECASTER = ("forecaster-darkroom", "darkroom")
CONTROLLER = ("SERVE_CONTROLLER_ACTOR", "serve")
TERMS = {
    "load_term": "demand", "trend_term": "demand", "forecast_term": "demand", "queue_term": "demand",
    "open_windows": "bounds", "budget_term": "bounds",
}  # fmt: skip


def operate(server_pid: int, actor: tuple[str, str], operation: str, *arguments: object) -> object:
    """Run a function of this module inside an actor of the Ray that a server has started."""
    address = address_of(server_pid)
    here = str(Path(__file__).parent)
    command: Sequence[str] = (sys.executable, "-c", _PROGRAM, address, *actor, operation, here, json.dumps(arguments))
    environment = os.environ | {"RAY_AUTH_MODE": "disabled"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    result: object = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def address_of(server_pid: int) -> str:
    """Where the control store of the Ray that a server has started listens."""
    family = psutil.Process(server_pid).children(recursive=True)
    words = [word for child in family for word in child.cmdline() if word.startswith(_ADDRESS)]
    return str(words[0]).removeprefix(_ADDRESS)


def break_term(forecaster: object, module: str, term: str) -> str:
    """Let one term of the policy, which a module of app.autoscaling calls, raise from now on."""
    found = importlib.import_module(f"app.autoscaling.{module}")

    def injected(*_: object, **__: object) -> None:
        raise RuntimeError(f"injected into {term}")

    vars(found)["before_surgery"] = (term, getattr(found, term))
    setattr(found, term, injected)
    return term


def mend_term(forecaster: object, module: str) -> str:
    """Undo what break_term did."""
    found = importlib.import_module(f"app.autoscaling.{module}")
    term, function = vars(found).pop("before_surgery")
    setattr(found, term, function)
    return str(term)


def break_policy(controller: object) -> int:
    """Let the policy inside Serve's controller raise at every decision; the number of those it has made wrong."""
    policy = _policy(controller)

    def injected(*_: object, **__: object) -> None:
        raise RuntimeError("injected into the policy")

    policy._decide = injected  # type: ignore[attr-defined]
    return 0


def mend_policy(controller: object) -> int:
    """Undo what break_policy did."""
    del _policy(controller)._decide  # type: ignore[attr-defined]
    return 0


def _policy(controller: object) -> object:
    states = controller.autoscaling_state_manager._app_autoscaling_states  # type: ignore[attr-defined]
    return states["darkroom"]._policy.__wrapped__
