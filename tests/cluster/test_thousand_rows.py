"""A thousand rows through a real server, and `kill -9` half-way: of the command, and of the server."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
from solo_server import PROGRAM, solo

from app.cli.batch.manifest import NAME

ROWS = 1000
REPEATS = 20
SKETCH = "fal-ai/flux/schnell"
SIZE = {"width": 64, "height": 64}


def rows() -> list[dict[str, Any]]:
    """Small pictures of one step; the last few are in words and seed what the first ones are."""
    distinct = ROWS - REPEATS
    usual = {"image_size": SIZE, "num_inference_steps": 1, "output_format": "png"}
    return [
        usual | {"id": f"row-{number:04}", "prompt": f"a red circle {number % distinct}", "seed": number % distinct}
        for number in range(ROWS)
    ]


def start(jobs: Path, url: str) -> subprocess.Popen[bytes]:
    """`darkroom batch` in a process of its own."""
    command = [sys.executable, "-c", PROGRAM, "batch", str(jobs), "--url", url]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def lines(path: Path) -> int:
    """How many lines are in the file; none when it is not there yet."""
    return path.read_bytes().count(b"\n") if path.exists() else 0


def kill_half_way(jobs: Path, url: str) -> int:
    """Begin the batch and kill it when half of the rows are in the manifest; how many are there then."""
    manifest = jobs.with_suffix("") / NAME
    batch = start(jobs, url)
    with httpx.Client() as http:
        while lines(manifest) < ROWS // 2:
            assert batch.poll() is None
            http.get(f"{url}/health")
    batch.kill()
    batch.wait()
    return lines(manifest)


@pytest.mark.cluster
@pytest.mark.timeout(240)
def test_killed_half_way(tmp_path: Path) -> None:
    """Run again, the batch ends with every row in the manifest exactly once, completed, and each file whole."""
    jobs = tmp_path / "jobs.jsonl"
    jobs.write_text("\n".join(json.dumps(row) for row in rows()), encoding="utf-8")
    with solo(tmp_path) as (url, _):
        before = kill_half_way(jobs, url)
        assert start(jobs, url).wait() == 0

    folder = tmp_path / "jobs"
    entries = [json.loads(line) for line in (folder / NAME).read_text(encoding="utf-8").splitlines()]
    assert ROWS // 2 <= before < ROWS
    assert Counter(entry["id"] for entry in entries) == Counter(row["id"] for row in rows())
    assert {entry["status"] for entry in entries} == {"completed"}
    pictures = {entry["seed"]: set[bytes]() for entry in entries}
    for entry in entries:
        (name,) = entry["files"]
        pictures[entry["seed"]].add((folder / name).read_bytes())
    assert len(pictures) == ROWS - REPEATS
    assert all(len(files) == 1 for files in pictures.values())


def begin(http: httpx.Client) -> str:
    """The id of a batch of all rows."""
    content = "\n".join(json.dumps(row) for row in rows())
    headers = {"Content-Type": "application/jsonl"}
    answer = http.post("/batches", content=content, headers=headers, params={"endpoint": SKETCH})
    return answer.raise_for_status().json()["id"]


def over(http: httpx.Client, batch_id: str) -> int:
    """How many of its rows are in the manifest."""
    counts = http.get(f"/batches/{batch_id}").raise_for_status().json()["request_counts"]
    return counts["completed"] + counts["failed"]


@pytest.mark.cluster
@pytest.mark.timeout(240)
def test_the_server_is_killed_half_way(tmp_path: Path) -> None:
    """Started again, the server goes on with the batch; every row is in the manifest exactly once, with its file."""
    storage = {"storage": {"lease_s": 1.0}}
    with solo(tmp_path, storage) as (url, process), httpx.Client(base_url=url, timeout=60) as http:
        batch_id = begin(http)
        while over(http, batch_id) < ROWS // 2:
            pass
        process.kill()
        process.wait()
    with solo(tmp_path, storage) as (url, _), httpx.Client(base_url=url, timeout=60) as http:
        before = over(http, batch_id)
        while http.get(f"/batches/{batch_id}").json()["status"] == "in_progress":
            pass
        entries = [json.loads(line) for line in http.get(f"/batches/{batch_id}/manifest").text.splitlines()]
        files = {entry["id"]: http.get(httpx.URL(entry["files"][0]).path).content for entry in entries}

    assert ROWS // 2 <= before < ROWS
    assert [entry["id"] for entry in entries] == [row["id"] for row in rows()]
    assert {entry["status"] for entry in entries} == {"completed"}
    assert [entry["seed"] for entry in entries] == [row["seed"] for row in rows()]
    for number in range(REPEATS):
        assert files[f"row-{number:04}"] == files[f"row-{number + ROWS - REPEATS:04}"]
    assert len(set(files.values())) == ROWS - REPEATS
