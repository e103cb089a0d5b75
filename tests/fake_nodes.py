"""A Ray of several machines on this one, whose autoscaler starts and ends machines by the provider that Ray tests with.

`ray.cluster_utils.AutoscalingCluster` would do the same, but stops every Ray on the machine first.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from app.cli import processes
from app.cli.environment import free_ports

HEAD = "f" * 51 + "00000"
START_S = 120
IDLE_MINUTES = 0.1


@dataclass(frozen=True, slots=True)
class FakeCluster:
    """Where the control store and the dashboard listen, and the process that started all."""

    address: str
    dashboard: str
    pid: int

    def workers(self) -> frozenset[str]:
        """The ids of the machines that are there beside the head."""
        answer = (
            httpx.get(self.dashboard + "/api/v0/nodes", params={"limit": 100}, timeout=30).raise_for_status().json()
        )
        nodes = answer["data"]["result"]["result"]
        return frozenset(each["node_id"] for each in nodes if each["state"] == "ALIVE" and not each["is_head_node"])

    def kill(self, node: str) -> None:
        """End a machine as a power cut would: all of its processes at once."""
        for raylet in self._raylets():
            if raylet.environ().get("RAY_OVERRIDE_NODE_ID_FOR_TESTING") == node:
                for each in (*raylet.children(recursive=True), raylet):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        each.kill()

    def _raylets(self) -> list[psutil.Process]:
        return [each for each in processes.family(self.pid) if each.name() == "raylet"]


@contextmanager
def fake_cluster(folder: Path, *, most: int) -> Iterator[FakeCluster]:
    """A head of four CPUs, and up to `most` machines with one GPU each that come when they are asked for."""
    store, dashboard, client, agent = free_ports(4)
    config = folder / "autoscaler.json"
    config.write_text(json.dumps(_configuration(f"127.0.0.1:{store}", most=most)), encoding="utf-8")
    command = [
        str(Path(sys.executable).parent / "ray"), "start", "--head", "--block", "--num-cpus=4", "--num-gpus=0",
        "--node-ip-address=127.0.0.1", f"--port={store}", f"--autoscaling-config={config}", "--include-dashboard=true",
        f"--dashboard-port={dashboard}", f"--ray-client-server-port={client}",
        f"--dashboard-agent-listen-port={agent}", f"--temp-dir={folder}", "--disable-usage-stats",
    ]  # fmt: skip
    with (folder / "head.log").open("wb") as log:
        head = subprocess.Popen(command, env=_environment(), stdout=log, stderr=log, start_new_session=True)
    cluster = FakeCluster(f"127.0.0.1:{store}", f"http://127.0.0.1:{dashboard}", head.pid)
    try:
        _wait_until_up(cluster, folder)
        yield cluster
    finally:
        processes.stop(processes.family(head.pid))
        head.wait()


def _environment() -> dict[str, str]:
    return os.environ | {
        "RAY_FAKE_CLUSTER": "1",
        "AUTOSCALER_UPDATE_INTERVAL_S": "1",
        "RAY_enable_autoscaler_v2": "1",
        "RAY_CLOUD_INSTANCE_ID": HEAD,
        "RAY_OVERRIDE_NODE_ID_FOR_TESTING": HEAD,
        "RAY_AUTH_MODE": "disabled",
        "RAY_health_check_period_ms": "1000",
        "RAY_health_check_failure_threshold": "3",
        "RAY_raylet_start_wait_time_s": "240",
    }


def _configuration(address: str, *, most: int) -> dict[str, Any]:
    machine = {"resources": {"CPU": 1, "GPU": 1}, "node_config": {}, "min_workers": 0, "max_workers": most}
    head = {"resources": {"CPU": 4}, "node_config": {}, "max_workers": 0}
    return {
        "cluster_name": "fake",
        "max_workers": most,
        "idle_timeout_minutes": IDLE_MINUTES,
        "provider": {
            "type": "external",
            "module": "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider",
            "use_node_id_as_ip": True,
            "disable_node_updaters": True,
            "disable_launch_config_check": True,
            "launch_multiple": True,
            "head_node_id": HEAD,
            "gcs_address": address,
        },
        "available_node_types": {"ray.head.default": head, "gpu": machine},
        "head_node_type": "ray.head.default",
        "auth": {},
        "upscaling_speed": 10.0,
        "initialization_commands": [],
        "setup_commands": [],
        "head_setup_commands": [],
        "worker_setup_commands": [],
        "head_start_ray_commands": [],
        "worker_start_ray_commands": [],
        "file_mounts": {},
        "cluster_synced_files": [],
        "file_mounts_sync_continuously": False,
        "rsync_exclude": [],
        "rsync_filter": [],
    }


def _wait_until_up(cluster: FakeCluster, folder: Path) -> None:
    until_s = time.time() + START_S
    while time.time() < until_s:
        try:
            cluster.workers()
            return
        except (httpx.HTTPError, KeyError):
            time.sleep(0.5)
    raise RuntimeError((folder / "head.log").read_text(encoding="utf-8"))
