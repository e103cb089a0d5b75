"""`darkroom generate`, against a server that answers from memory."""

import io
import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

from app.builtin.grammar import parse
from app.builtin.render import place, render
from app.cli.client import Client
from app.cli.environment import free_ports
from app.cli.generate import Order, draw_and_save
from app.cli.main import command_line
from app.errors import GenerationFailedError

URL = "http://darkroom.test"
PROMPT = "a red circle left of a blue square"
RECEIPT = {
    "variant": "sketch",
    "steps": 4,
    "cache": "none",
    "batch_size": 2,
    "queue_s": 0.01,
    "denoise_s": 0.25,
    "decode_s": 0.03,
    "upscale_s": 0.04,
    "gpu_ms": 125.0,
    "replica": "r1",
}
IMAGE = {"url": f"{URL}/files/a.png", "width": 512, "height": 384, "file_size": 1234}
OUTPUT = {"images": [IMAGE], "seed": 7, "receipts": [RECEIPT]}


@pytest.fixture
def picture() -> bytes:
    """A picture that shows the prompt."""
    demand = parse(PROMPT)
    assert demand is not None
    drawn = io.BytesIO()
    Image.fromarray(render(place(demand, np.random.default_rng(1), 64, 64))).save(drawn, format="PNG")
    return drawn.getvalue()


def client_of(picture: bytes, *events: dict[str, Any]) -> Client:
    """A client of a server that streams these events and serves this picture."""
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
    stream = httpx.Response(200, headers={"content-type": "text/event-stream"}, text=body)

    def answer(request: httpx.Request) -> httpx.Response:
        return stream if request.method == "POST" else httpx.Response(200, content=picture)

    return Client(URL, httpx.AsyncClient(transport=httpx.MockTransport(answer)))


async def shown(order: Order, client: Client) -> str:
    """What the command prints for an order."""
    screen = io.StringIO()
    await draw_and_save(order, client, Console(file=screen, width=120))
    return screen.getvalue()


async def test_picture_and_receipt(tmp_path: Path, picture: bytes) -> None:
    """The picture is written as the server sent it, and the receipt is told in words."""
    out = tmp_path / "out.png"
    text = await shown(Order(prompt=PROMPT, out=out), client_of(picture, {"progress": 0.5, "message": ""}, OUTPUT))

    assert out.read_bytes() == picture
    assert "512x384, 1,234 bytes, seed 7" in text
    assert "sketch, 4 steps, batch of 2" in text
    assert "queue 10 ms  denoise 250 ms  decode 30 ms  upscale 40 ms" in text


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        (PROMPT, "The judge confirms"),
        ("a green cross", "The judge disagrees"),
        ("a sunny day in Paris", "knows only scenes of simple shapes"),
    ],
    ids=["right", "wrong", "outside the grammar"],
)
async def test_verdict(tmp_path: Path, picture: bytes, prompt: str, words: str) -> None:
    """The judge says whether the picture shows the prompt, or that it cannot say."""
    order = Order(prompt=prompt, out=tmp_path / "out.png", judge=True)

    assert words in await shown(order, client_of(picture, OUTPUT))


async def test_prompt_with_brackets(tmp_path: Path, picture: bytes) -> None:
    """A prompt is shown as it was written, whatever its brackets would mean to the terminal."""
    order = Order(prompt="a [bold]red[/circle]", out=tmp_path / "out.png")

    assert "a [bold]red[/circle]" in await shown(order, client_of(picture, OUTPUT))


async def test_stream_without_an_end(tmp_path: Path) -> None:
    """A stream that ends before the output is an error, and no file is written."""
    order = Order(prompt=PROMPT, out=tmp_path / "out.png")

    with pytest.raises(GenerationFailedError, match="closed the stream"):
        await shown(order, client_of(b"", {"progress": 0.5, "message": ""}))
    assert not order.out.exists()


def test_arguments_leave_the_rest_to_the_server() -> None:
    """Only what was asked for is sent, and the format follows the file's name."""
    assert Order(prompt="x", out=Path("a.PNG")).arguments == {"prompt": "x", "output_format": "png"}
    assert Order(prompt="x", out=Path("a.webp")).arguments["output_format"] == "webp"
    assert Order(prompt="x", out=Path("a")).arguments["output_format"] == "jpeg"
    assert Order(prompt="x", out=Path("a.jpg"), size=(64, 48), seed=0, steps=2).arguments == {
        "prompt": "x",
        "output_format": "jpeg",
        "image_size": {"width": 64, "height": 48},
        "seed": 0,
        "num_inference_steps": 2,
    }


@pytest.mark.parametrize("size", ["64", "64x", "x48", "64x48x32", "axb", "-1x5"])
def test_malformed_size(size: str) -> None:
    """A size that is not WIDTHxHEIGHT is refused before anything is sent."""
    result = CliRunner().invoke(command_line(), ["generate", "x", f"--size={size}"])

    assert result.exit_code == 2
    assert "is not WIDTHxHEIGHT" in result.output


def test_no_server(tmp_path: Path) -> None:
    """Without a server the command raises an error that says how to start one."""
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    result = CliRunner().invoke(command_line(), ["generate", "x", "--url", url, "-o", str(tmp_path / "x.png")])

    assert result.exit_code == 1
    assert "darkroom up" in str(result.exception)
