"""`darkroom batch` against a running server: every row once, whatever happens on the way."""

import io
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from painting import Painter, studio
from PIL import Image
from rich.console import Console

from app.api.data_uri import encode_data_uri
from app.batches.rows import FlawedRowsError
from app.cli.batch.command import BatchOrder, run_batch
from app.cli.batch.manifest import NAME
from app.cli.client import ServerUnreachableError
from app.cli.environment import free_ports
from app.cli.queue import Queue
from app.errors import ConfigurationError, GenerationFailedError
from app.generation import ImageFormat, Tier
from app.inference.pictures import encode_picture

SIZE = {"width": 64, "height": 64}
PROGRAM = "from app.cli.main import main; main()"
ROWS = 60
WIDTH = 4


def jobs_file(folder: Path, *rows: dict[str, Any]) -> Path:
    """A file with these rows, 64 pixels wide and high."""
    path = folder / "jobs.jsonl"
    lines = [json.dumps({"image_size": SIZE, "output_format": "png"} | row) for row in rows]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def manifest(folder: Path) -> list[dict[str, Any]]:
    """The entries of a batch."""
    return [json.loads(line) for line in (folder / NAME).read_text(encoding="utf-8").splitlines()]


def files(folder: Path) -> dict[str, bytes]:
    """The pictures of a batch by their names."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != NAME}


def opened(folder: Path, name: str) -> Image.Image:
    """One of the pictures."""
    return Image.open(io.BytesIO(files(folder)[name]))


async def run(jobs: Path, url: str, *, out: str = "out", **options: Any) -> tuple[Path, str]:
    """Run the batch; its folder and what was printed."""
    folder, screen = jobs.parent / out, io.StringIO()
    order = BatchOrder(jobs=jobs, folder=folder, **options)
    async with httpx.AsyncClient() as http:
        await run_batch(order, Queue(url, http), Console(file=screen, width=200))
    return folder, screen.getvalue()


async def test_pictures_and_manifest(tmp_path: Path) -> None:
    """Each row's pictures are files by its id, of the seed in the manifest; all ran in the batch tier."""
    jobs = jobs_file(tmp_path, {"id": "one", "prompt": "a", "seed": 5}, {"prompt": "b", "num_images": 2})
    with studio() as place:
        folder, told = await run(jobs, place.url)

    entries = {entry["id"]: entry for entry in manifest(folder)}
    assert entries["one"]["files"] == ["one.png"]
    assert entries["line-000002"]["files"] == ["line-000002.1.png", "line-000002.2.png"]
    assert opened(folder, "one.png").getpixel((0, 0)) == (5, 0, 1)
    assert sorted(files(folder)) == ["line-000002.1.png", "line-000002.2.png", "one.png"]
    assert {job.tier for job in place.painter.runs} == {Tier.BATCH}
    assert "2 rows: 2 run now, 0 failed in all" in told


async def test_endpoints_of_every_kind(tmp_path: Path) -> None:
    """Rows name their endpoints; one that enlarges has a picture like any other."""
    small = encode_data_uri(encode_picture(np.zeros((64, 70, 3), np.uint8), ImageFormat.PNG), "image/png")
    jobs = tmp_path / "jobs.csv"
    jobs.write_text(f'id,endpoint,image_url\nbig,fal-ai/esrgan,"{small}"\n', encoding="utf-8")
    with studio() as place:
        folder, _ = await run(jobs, place.url)

    assert opened(folder, "big.png").size == (140, 128)


async def test_a_repeat_is_identical(tmp_path: Path) -> None:
    """The same file gives the same pictures, also where it names no seeds, on another server and in another order."""
    jobs = jobs_file(tmp_path, *({"prompt": f"p{number}"} for number in range(8)))
    with studio() as place:
        first, _ = await run(jobs, place.url, out="first")
    with studio() as place:
        again, _ = await run(jobs, place.url, out="again", width=1)

    assert files(first) == files(again)
    assert len(set(files(first).values())) == 8


async def test_nothing_runs_unless_all_rows_are_right(tmp_path: Path) -> None:
    """One wrong row is enough to run none; each is told with its line."""
    rows = {"prompt": "a"}, {"prompt": "a", "seed": -1}, {"endpoint": "no/such"}
    jobs = jobs_file(tmp_path, *rows)
    with studio() as place, pytest.raises(FlawedRowsError) as refused:
        await run(jobs, place.url)

    assert [flaw.line for flaw in refused.value.flaws] == [2, 3]
    assert "jobs.jsonl:2: seed: -1" in refused.value.detail
    assert place.painter.runs == []
    assert not (tmp_path / "out").exists()


async def test_rows_that_fail(tmp_path: Path) -> None:
    """A row that fails is in the manifest with the reason, and the others are drawn; it can be tried again."""
    jobs = jobs_file(tmp_path, {"id": "bad", "prompt": "bad"}, {"id": "good", "prompt": "good"})
    with studio(Painter(errors={"bad": GenerationFailedError("no more memory")})) as place:
        folder, told = await run(jobs, place.url)
        failed = {entry["id"]: entry for entry in manifest(folder)}["bad"]
        _, skipped = await run(jobs, place.url)
    with studio() as place:
        _, retried = await run(jobs, place.url, retry_failed=True)

    assert (failed["status"], failed["code"], "no more memory" in failed["error"]) == ("failed", 500, True)
    assert ("1 failed in all" in told, "0 run now" in skipped) == (True, True)
    assert "1 run now, 0 failed in all" in retried
    assert sorted(entry["id"] for entry in manifest(folder)) == ["bad", "good"]


async def test_no_more_rows_at_a_time_than_allowed(tmp_path: Path) -> None:
    """At most so many rows are with the server at a time."""
    painter = Painter(wants_stuck=2)
    painter.held = {f"p{number}" for number in range(6)}
    jobs = jobs_file(tmp_path, *({"prompt": prompt} for prompt in sorted(painter.held)))
    with studio(painter) as place:
        command = darkroom(jobs, place.url, "--concurrency", "2")
        assert painter.stuck.wait(30)
        begun = len(painter.runs)
        painter.release.set()
        assert command.wait(30) == 0

    assert (begun, len(painter.runs)) == (2, 6)


async def test_the_folder_of_another_batch(tmp_path: Path) -> None:
    """A file whose rows have changed does not mix with what was drawn from it before."""
    with studio() as place:
        await run(jobs_file(tmp_path, {"id": "a", "prompt": "x"}), place.url)
        with pytest.raises(ConfigurationError, match="another row a"):
            await run(jobs_file(tmp_path, {"id": "a", "prompt": "y"}), place.url)


async def test_no_server(tmp_path: Path) -> None:
    """Without a server the batch says how to start one."""
    with pytest.raises(ServerUnreachableError, match="darkroom up"):
        await run(jobs_file(tmp_path, {"prompt": "a"}), f"http://127.0.0.1:{free_ports(1)[0]}")


def darkroom(jobs: Path, url: str, *options: str) -> subprocess.Popen[bytes]:
    """The command in a process of its own."""
    command = [sys.executable, "-c", PROGRAM, "batch", str(jobs), "--url", url, *options]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
async def test_stopped_half_way(tmp_path: Path, number: signal.Signals) -> None:
    """Stopped half-way and run again, every row is in the manifest once, with the pictures of an undisturbed run."""
    painter = Painter(wants_stuck=WIDTH)
    painter.held = {f"p{number}" for number in range(ROWS // 2, ROWS)}
    jobs = jobs_file(tmp_path, *({"prompt": f"p{number}"} for number in range(ROWS)))
    with studio() as place:
        undisturbed, _ = await run(jobs, place.url, out="undisturbed")
    with studio(painter) as place:
        stopped = darkroom(jobs, place.url, "--concurrency", str(WIDTH))
        assert painter.stuck.wait(30)
        stopped.send_signal(number)
        stopped.wait(30)
        half = len(manifest(tmp_path / "jobs"))
        painter.release.set()
        assert darkroom(jobs, place.url).wait(30) == 0

    assert half == ROWS // 2
    assert sorted(entry["id"] for entry in manifest(tmp_path / "jobs")) == [f"line-{n:06}" for n in range(1, ROWS + 1)]
    assert files(tmp_path / "jobs") == files(undisturbed)
