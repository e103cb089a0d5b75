"""`darkroom solo`, as a user runs it."""

import signal
from pathlib import Path

import httpx
from solo_server import solo


def test_one_process_serves_until_it_is_interrupted(tmp_path: Path) -> None:
    """It says when it is warm, answers like the whole graph, and an interrupt ends it in order."""
    asked = {"prompt": "a red circle", "image_size": {"width": 64, "height": 64}, "seed": 1}
    with solo(tmp_path) as (url, process):
        answer = httpx.post(f"{url}/run/fal-ai/flux/schnell", json=asked, timeout=30).raise_for_status().json()
        picture = httpx.get(answer["images"][0]["url"], timeout=30)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) in (0, 130, -signal.SIGINT)
    assert picture.content[:3] == b"\xff\xd8\xff"
    assert answer["receipts"][0]["variant"] == "sketch"
