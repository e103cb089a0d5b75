"""`/batches` of a running server."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from painting import LOCAL, Painter, Studio, studio

from app.config import load_settings
from app.errors import GenerationFailedError
from app.generation import Tier

SCHNELL = "fal-ai/flux/schnell"
SMALL = {"image_size": {"width": 64, "height": 64}, "output_format": "png"}
LINES = {"Content-Type": "application/jsonl"}


@pytest.fixture(scope="module")
def place() -> Iterator[Studio]:
    """A running server whose painter cannot paint what is bad."""
    with studio(Painter(errors={"bad": GenerationFailedError("no more memory")})) as place:
        yield place


@pytest.fixture(scope="module")
def http(place: Studio) -> Iterator[httpx.Client]:
    """A client of it."""
    with httpx.Client(base_url=place.url, timeout=30) as http:
        yield http


def lines(*rows: dict[str, Any]) -> str:
    """The rows as JSON lines, with small pictures."""
    return "\n".join(json.dumps(SMALL | row) for row in rows)


def begin(http: httpx.Client, content: str, **options: Any) -> dict[str, Any]:
    """Begin a batch of JSON lines for one endpoint."""
    options = {"headers": LINES, "params": {"endpoint": SCHNELL}} | options
    answer: dict[str, Any] = http.post("/batches", content=content, **options).raise_for_status().json()
    return answer


def finished(http: httpx.Client, batch: dict[str, Any]) -> dict[str, Any]:
    """The batch when it is over."""
    while (found := http.get(f"/batches/{batch['id']}").raise_for_status().json())["status"] == "in_progress":
        pass
    answer: dict[str, Any] = found
    return answer


def manifest(http: httpx.Client, batch: dict[str, Any]) -> list[dict[str, Any]]:
    """The entries of the batch."""
    return [json.loads(line) for line in http.get(batch["manifest_url"]).raise_for_status().text.splitlines()]


def test_from_rows_to_manifest(http: httpx.Client, place: Studio) -> None:
    """Every row is drawn in the batch tier; the manifest tells in the order of the rows what came of each."""
    batch = begin(http, lines({"id": "one", "prompt": "a", "seed": 5}, {"prompt": "bad"}, {"prompt": "b"}))
    assert (batch["object"], batch["request_counts"]["total"], batch["errors"]) == ("batch", 3, None)
    done = finished(http, batch)
    one, bad, other = manifest(http, done)

    assert (done["status"], done["request_counts"]) == ("completed", {"total": 3, "completed": 2, "failed": 1})
    assert done["completed_at"] >= done["created_at"]
    assert (one["id"], one["line"], one["status"], one["seed"]) == ("one", 1, "completed", 5)
    assert (bad["id"], bad["status"], bad["code"], bad["error"]) == ("line-000002", "failed", 500, "no more memory")
    assert other["status"] == "completed"
    assert http.get(one["files"][0]).headers["content-type"] == "image/png"
    assert {job.tier for job in place.painter.runs} == {Tier.BATCH}


def test_rows_are_requests(http: httpx.Client) -> None:
    """A row's request can be asked for by its id."""
    batch = finished(http, begin(http, lines({"prompt": "a", "num_images": 2})))
    (entry,) = manifest(http, batch)
    output = http.get(f"/queue/{SCHNELL}/requests/{entry['request_id']}").raise_for_status().json()

    assert [image["url"] for image in output["images"]] == entry["files"]


def test_a_repeat_is_identical(http: httpx.Client) -> None:
    """Rows without seeds have the same ones in every batch."""
    first, again = (manifest(http, finished(http, begin(http, lines({"prompt": "x"}, {"prompt": "y"})))) for _ in "ab")

    assert [entry["files"] for entry in first] == [entry["files"] for entry in again]
    assert first[0]["files"] != first[1]["files"]


def test_csv(http: httpx.Client) -> None:
    """A table with a header is a batch as well; its rows may name their endpoints."""
    content = f"id,endpoint,prompt,seed,image_size\na,{SCHNELL},hello,7,square\n"
    done = finished(http, begin(http, content, headers={"Content-Type": "text/csv; charset=utf-8"}, params={}))

    assert [(entry["id"], entry["seed"]) for entry in manifest(http, done)] == [("a", 7)]


@pytest.mark.parametrize(("name", "form"), [("jobs.csv", ""), ("jobs.txt", "csv")])
def test_an_uploaded_file(http: httpx.Client, name: str, form: str) -> None:
    """The rows may be in a file that was uploaded before; its name or the call tells its form."""
    content = f"prompt,seed\nhello,{len(name)}\n"
    kind = "text/csv" if name.endswith(".csv") else "text/plain"
    named = http.post("/rest/storage/upload/initiate", json={"file_name": name, "content_type": kind}).json()
    http.put(named["upload_url"], content=content).raise_for_status()
    order = {"input_url": named["file_url"], "endpoint": SCHNELL} | ({"format": form} if form else {})
    done = finished(http, http.post("/batches", json=order).raise_for_status().json())

    assert [entry["seed"] for entry in manifest(http, done)] == [len(name)]


def test_nothing_runs_unless_all_rows_are_right(http: httpx.Client, place: Studio) -> None:
    """Every flaw of every row is told with its line, and no row runs."""
    before = len(place.painter.runs)
    rows = {"prompt": "fine"}, {"prompt": "a", "seed": -1}, {"endpoint": "no/such"}, {"prompt": 3, "sede": 1}
    answer = http.post("/batches", content=lines(*rows) + "\n{", headers=LINES, params={"endpoint": SCHNELL})
    told = [(issue["loc"][1], issue["msg"].partition(":")[0]) for issue in answer.json()["detail"]]

    assert answer.status_code == 422
    assert told == [(2, "seed"), (3, "endpoint"), (4, "sede"), (4, "prompt"), (5, "no JSON")]
    assert len(place.painter.runs) == before


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        ({"content": "", "headers": LINES}, 422, "there is no row"),
        ({"content": b"\xff", "headers": LINES}, 422, "not in UTF-8"),
        ({"content": lines({"prompt": "a"}), "headers": LINES}, 422, "names no endpoint"),
        ({"content": "x", "headers": {"Content-Type": "image/png"}}, 400, "A batch is application/jsonl"),
        ({"json": {}}, 422, "input_url and endpoint are texts"),
        ({"json": {"input_url": "http://127.0.0.1:1/x"}}, 422, "not allowed"),
        ({"json": {"input_url": "data:,x", "format": "xml"}}, 422, "format is one of"),
    ],
)
def test_refused(http: httpx.Client, options: dict[str, Any], status: int, words: str) -> None:
    """What is no batch is refused with the reason."""
    answer = http.post("/batches", **options)

    assert answer.status_code == status
    assert words in answer.text


def test_the_same_key_is_the_same_batch(http: httpx.Client) -> None:
    """A call that is repeated with its key begins nothing; another one with that key is refused."""
    headers = LINES | {"Idempotency-Key": "my-batch"}
    first, again = (begin(http, lines({"prompt": "k"}), headers=headers) for _ in "ab")
    other = http.post("/batches", content=lines({"prompt": "l"}), headers=headers, params={"endpoint": SCHNELL})

    assert first["id"] == again["id"]
    assert (other.status_code, other.json()["error_type"]) == (422, "idempotency_key_reused")


def test_cancel() -> None:
    """A cancelled batch stops its rows; the manifest has all that were with the server, each as it was by then."""
    painter = Painter(wants_stuck=2)
    painter.held = {"held 0", "held 1"}
    with studio(painter, load_settings(LOCAL)) as place, httpx.Client(base_url=place.url, timeout=30) as http:
        batch = begin(http, lines({"prompt": "quick"}, *({"prompt": prompt} for prompt in sorted(painter.held))))
        assert painter.stuck.wait(30)
        while http.get(f"/queue/x/y/requests/{batch['id']}-0/status").json()["status"] != "COMPLETED":
            pass
        assert http.post(batch["cancel_url"]).json()["status"] == "cancelled"
        while not (entries := manifest(http, batch)):
            pass
        parts = [http.get(f"/queue/x/y/requests/{batch['id']}-{number}").status_code for number in range(3)]
        assert http.post(batch["cancel_url"]).json() == {"status": "ALREADY_COMPLETED"}

    assert [(entry["status"], entry.get("code")) for entry in entries] == [
        ("completed", None),
        ("failed", 499),
        ("failed", 499),
    ]
    assert parts == [200, 499, 499]


def test_others_are_no_batches(http: httpx.Client) -> None:
    """A request of another kind cannot be asked for as a batch, and a batch that never was is unknown."""
    request_id = http.post(f"/queue/{SCHNELL}", json={"prompt": "a"}).json()["request_id"]

    assert http.get(f"/batches/{request_id}").status_code == 404
    assert http.get("/batches/nothing/manifest").status_code == 404
    assert http.get("/batches/%F2%90%B7%89").status_code == 404
