"""The real graph under load, with a clock of scaling that runs ten times as fast as the one on the wall."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise

import httpx
import numpy as np
import psutil
import pytest
from cluster.conftest import Servers
from ray_surgery import CONTROLLER, FORECASTER, TERMS, operate
from scaling_site import Load, Look, Site, scaling_site, schedule, tell

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(420)]

MORNING, DAY = [0.3], [3.0, 3.0, 3.0, 0.3]
HOUR_S = 5.0
REACTION_S = 10.0


@pytest.fixture(scope="module")
def site(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One server for all of this; its tests come after one another in their order."""
    servers.stop()
    with scaling_site(tmp_path_factory.mktemp("scaling")) as site:
        yield site


@pytest.fixture
def calm(site: Site) -> Site:
    """The server with its least replicas and its own settings."""
    site.edit({})
    site.wait_for(is_calm, within_s=150)
    return site


@pytest.fixture
def busy(site: Site) -> Iterator[Site]:
    """The server in the middle of a peak that goes on."""
    site.edit({})
    with loaded(site, rate_per_s=2.5):
        site.wait_for(lambda look: look.target >= 2, within_s=60)
        yield site


def is_calm(look: Look) -> bool:
    """Whether there is one replica, and it runs."""
    return look.target == 1 and len(look.running) == 1


@contextmanager
def loaded(site: Site, *, rate_per_s: float) -> Iterator[None]:
    """Direct calls at that rate for as long as the block lasts."""
    load, is_over = Load(site), threading.Event()

    def go_on() -> None:
        while not is_over.wait(1 / rate_per_s):
            load.at_once(1)

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
        load.done()


def test_replicas_follow_a_day(calm: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """Replicas rise with the load and fall after it, every call is answered, and each change has its reason."""
    load, known = Load(calm), len(calm.scaling()["decisions"])
    with calm.watched() as looks:
        load.replay(MORNING, part_s=HOUR_S)
        began_s = time.time()
        load.replay(DAY, part_s=HOUR_S)
        statuses = load.done()
        calm.wait_for(is_calm, within_s=150)
    decisions = calm.scaling()["decisions"][known:]
    targets = [look.target for look in looks]
    reaction_s = min(at_s for at_s in calm.ordered_s() if at_s > began_s) - began_s
    tell(capsys, f"first reaction {reaction_s:.2f} s; most replicas {max(targets)}; {len(statuses)} calls")

    assert set(statuses) == {200}
    assert max(targets) >= 2
    assert max(len(look.running) for look in looks) >= 2
    assert reaction_s < REACTION_S
    changes = {after for before, after in pairwise(targets) if before != after}
    assert changes <= {each["to"] for each in decisions if each["deployment"] == "sketch"}
    assert all(f"→{each['to']}: " in each["reason"] and "|" in each["reason"] for each in decisions)


def test_a_schedule_is_in_time(calm: Site) -> None:
    """A floor is ordered one start early, so that its replicas run when it begins; when it ends, they go."""
    begin_s = time.time() + 22
    calm.edit({"schedules": [schedule("morning", in_s=begin_s - time.time(), lasts_s=4, floor=2)]})
    with calm.watched() as looks:
        time.sleep(begin_s - time.time())
        at_begin = calm.look()
        calm.wait_for(is_calm, within_s=60)

    ordered_s = next(look.at_s for look in looks if look.target == 2)
    assert ordered_s < begin_s
    assert len(at_begin.running) == 2
    assert any("schedule morning floor 2" in each["reason"] for each in calm.scaling()["decisions"])


def test_an_edit_takes_effect_while_running(calm: Site) -> None:
    """A new floor in the file acts within five seconds, and a wrong one changes nothing; no replica is restarted."""
    before = calm.look()
    calm.edit({"schedules": [schedule("now", in_s=-1, lasts_s=60, floor=2)]})
    raised = calm.wait_for(lambda look: look.target == 2, within_s=30)
    calm.file.write_text("schedules: [{name: broken}]", encoding="utf-8")
    time.sleep(2)
    after = calm.wait_for(lambda look: len(look.running) == 2, within_s=60)

    assert raised.at_s - before.at_s < 5
    assert "broken" in calm.scaling()["problem"] or "schedules" in calm.scaling()["problem"]
    assert after.target == 2
    assert before.running <= after.running


@pytest.mark.parametrize("term", TERMS)
def test_an_error_in_a_term_stops_nothing(site: Site, term: str) -> None:
    """When a term raises, no target is lowered and each says why; the application runs and pictures are drawn."""
    server, before = site.server.pid, site.look()
    operate(server, FORECASTER, "break_term", TERMS[term], term)
    try:
        _wait_until(lambda: _says(site, f"injected into {term}"))
        assert site.draw(seed=1) == 200
        assert site.look().target >= before.target
        assert site.look().status in ("HEALTHY", "UPSCALING")
    finally:
        operate(server, FORECASTER, "mend_term", TERMS[term])
    _wait_until(lambda: not _says(site, "injected"))


def test_an_error_in_the_policy_stops_nothing(site: Site) -> None:
    """When the policy itself raises inside Serve's controller, targets are held and the application stays whole."""
    server, before = site.server.pid, site.look()
    operate(server, CONTROLLER, "break_policy")
    try:
        looks = [site.look() for _ in range(5)]
        assert site.draw(seed=1) == 200
    finally:
        operate(server, CONTROLLER, "mend_policy")
    assert {look.target for look in looks} == {before.target}
    assert {look.status for look in looks} == {"HEALTHY"}


def test_a_stalled_forecaster_delays_nobody(calm: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """While the forecaster stands still for three seconds, Serve's controller answers as always."""
    forecaster = calm.process("ray::Forecaster")
    took_s = []
    forecaster.suspend()
    try:
        until_s = time.time() + 3
        while time.time() < until_s:
            began_s = time.time()
            calm.look()
            took_s.append(time.time() - began_s)
    finally:
        forecaster.resume()
    tell(capsys, f"slowest answer of the controller while the forecaster stood still: {max(took_s):.2f} s")

    assert max(took_s) < 2.5
    assert len(took_s) > 3


@pytest.mark.parametrize("actor", ["ray::Forecaster", "ray::ServeController"])
def test_a_restart_in_a_peak_forgets_nothing(busy: Site, actor: str) -> None:
    """Targets are held while the actor is gone and after it is back, and what was known is known again."""
    before, known, minutes = busy.look(), busy.scaling()["decisions"], _minutes(busy)
    killed = busy.process(actor)
    killed.kill()
    with busy.watched() as looks:
        _wait_until(lambda: _is_back(busy, actor, killed))
        time.sleep(8)

    assert looks
    assert min(look.target for look in looks) >= before.target
    assert busy.scaling()["decisions"][: len(known)] == known or len(known) == 100
    assert _minutes(busy) >= minutes > 0
    assert busy.draw(seed=2) == 200


def _says(site: Site, words: str) -> bool:
    deployments = site.scaling()["deployments"].values()
    return any(words in each["reason"] for each in deployments)


def _minutes(site: Site) -> int:
    with np.load(site.server.log.parent / "scaling" / "sketch.history.npz") as file:
        return int(np.count_nonzero(~np.isnan(file["counts"])))


def _is_back(site: Site, actor: str, killed: psutil.Process) -> bool:
    try:
        return site.process(actor).pid != killed.pid and not _is_any_stale(site) and bool(site.look().running)
    except (StopIteration, KeyError, httpx.HTTPError, psutil.Error):
        return False


def _is_any_stale(site: Site) -> bool:
    deployments = site.scaling()["deployments"]
    return not deployments or any(each["stale"] for each in deployments.values())


def _wait_until(is_so: Callable[[], bool], *, within_s: float = 60) -> None:
    until_s = time.time() + within_s
    while not is_so():
        assert time.time() < until_s
        time.sleep(0.2)
