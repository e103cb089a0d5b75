"""Machines that come before a peak and go after it, and one that dies in its middle."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster.conftest import Servers
from fake_nodes import FakeCluster, fake_cluster
from scaling_site import Load, Site, scaling_site, schedule, tell

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]

MACHINE = {"node_start_s": 200}


@pytest.fixture(scope="module")
def machines(servers: Servers) -> Iterator[FakeCluster]:
    """A Ray with machines of one GPU each, none of which is there yet."""
    servers.stop()
    place = tempfile.TemporaryDirectory(prefix="darkroom-", ignore_cleanup_errors=True)
    with place as folder, fake_cluster(Path(folder), most=3) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def site(machines: FakeCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A Darkroom on that Ray, one GPU per replica of its model."""
    gpu = {"variants": {"sketch": {"num_gpus": 1, "device": "cpu"}}, "server": {"proxy": "python"}}
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RAY_ADDRESS", machines.address)
        with scaling_site(tmp_path_factory.mktemp("nodes"), changes=gpu) as site:
            yield Site(site.server, machines.dashboard, site.file)


@pytest.fixture
def calm(site: Site, machines: FakeCluster) -> Site:
    """The site with one replica on one machine."""
    site.edit({"deployments": {"sketch": MACHINE}})
    site.wait_for(lambda look: look.target == len(look.running) == len(machines.workers()) == 1, within_s=150)
    return site


def test_machines_come_before_a_peak_and_go_after_it(
    calm: Site, machines: FakeCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    """A machine is there before its replica is ordered, the replica runs when the peak begins, both go after it."""
    begin_s = time.time() + 45
    peak = schedule("peak", in_s=begin_s - time.time(), lasts_s=5, floor=2)
    calm.edit({"deployments": {"sketch": MACHINE}, "schedules": [peak]})
    added = calm.wait_for(lambda _: len(machines.workers()) == 2, within_s=60)
    ordered = calm.wait_for(lambda look: look.target == 2, within_s=60)
    ready = calm.wait_for(lambda look: len(look.running) == 2, within_s=60)
    left = calm.wait_for(lambda look: len(look.running) == 1 and look.target == 1, within_s=60)
    removed = calm.wait_for(lambda _: len(machines.workers()) == 1, within_s=90)
    moments = {"machine added": added, "replica ordered": ordered, "replica ready": ready, "replica gone": left}
    lines = [f"{name} {each.at_s - begin_s:+.1f} s" for name, each in (moments | {"machine gone": removed}).items()]
    tell(capsys, f"from the begin of the peak: {', '.join(lines)}")

    assert added.at_s < ordered.at_s < begin_s
    assert ready.at_s < begin_s
    assert left.at_s < removed.at_s


def test_a_machine_that_dies_costs_no_request(calm: Site, machines: FakeCluster) -> None:
    """When a machine dies under load, every request is answered and another machine takes its place."""
    now = schedule("now", in_s=-1, lasts_s=90, floor=2) | {"ceiling": 2}
    calm.edit({"deployments": {"sketch": MACHINE}, "schedules": [now]})
    before = calm.wait_for(lambda look: len(look.running) == 2, within_s=90)
    load, (victim, *_) = Load(calm), sorted(machines.workers())
    load.replay([3.0], part_s=2)
    machines.kill(victim)
    load.replay([3.0], part_s=4)
    after = calm.wait_for(lambda look: len(look.running) == 2 and look.running != before.running, within_s=120)

    assert set(load.done()) == {200}
    assert victim not in machines.workers()
    assert len(after.running & before.running) == 1
