"""`GET /scaling`: what scales, and what to say when nothing does."""

from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from app.api.scaling import ScalingRoutes, ScalingView, nothing_scales

REPORT = {
    "at_s": 10.0,
    "mode": "act",
    "problem": "",
    "deployments": {"sketch": {"running": 1, "target": 2, "terms": [], "stale": False, "reason": "sketch 1→2: …"}},
    "decisions": [{"at_s": 9.0, "deployment": "sketch", "from": 1, "to": 2, "reason": "sketch 1→2: …"}],
}


async def asked(view: ScalingView) -> httpx.Response:
    """The answer of an application with that view."""
    app = Starlette()
    ScalingRoutes(view).add_to(app)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        return await client.get("/scaling")


async def test_the_report_is_passed_on() -> None:
    """What the forecaster reports is answered as it is."""

    async def view() -> Mapping[str, Any]:
        return REPORT

    answer = await asked(view)

    assert answer.status_code == 200
    assert answer.json() == REPORT


async def test_no_forecaster_is_no_error_of_ours() -> None:
    """While nobody plans, the answer is 503 with a time to come back, and says that replicas stay."""

    async def view() -> None:
        return None

    answer = await asked(view)

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "stay" in answer.json()["detail"]


@pytest.mark.parametrize("key", ["deployments", "decisions"])
async def test_a_single_process_says_so(key: str) -> None:
    """In a single process nothing scales: the report has the usual shape, is empty, and says why."""
    report = (await asked(nothing_scales)).json()

    assert not report[key]
    assert (report["mode"], report["problem"]) == ("off", "one process serves alone, so nothing scales")
    assert report.keys() == REPORT.keys()
