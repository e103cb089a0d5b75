"""`darkroom generate`: one picture from a running server, with its steps and its receipt."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from app.cli.client import Answer, Client, KeyOption, connected
from app.cli.client import Progress as Done
from app.cli.receipt import receipt_table
from app.cli.verdict import verdict
from app.errors import GenerationFailedError
from app.generation import ImageFormat

LOCAL_URL = "http://127.0.0.1:8000"
ENDPOINT = "fal-ai/flux/schnell"
FILE = Path("out.png")
_FORMATS = {f".{known.value}": known for known in ImageFormat} | {".jpg": ImageFormat.JPEG}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One picture to draw, and the file it goes to; what is None is left to the server."""

    prompt: str
    out: Path
    endpoint: str = ENDPOINT
    size: tuple[int, int] | None = None
    seed: int | None = None
    steps: int | None = None
    judge: bool = False

    @property
    def arguments(self) -> dict[str, Any]:
        """The endpoint's input."""
        size = self.size and {"width": self.size[0], "height": self.size[1]}
        wanted = {"image_size": size, "seed": self.seed, "num_inference_steps": self.steps}
        given = {name: value for name, value in wanted.items() if value is not None}
        return {"prompt": self.prompt, "output_format": self._format, **given}

    @property
    def _format(self) -> str:
        return _FORMATS.get(self.out.suffix.lower(), ImageFormat.JPEG).value


def parse_size(text: str) -> tuple[int, int]:
    """Width and height of `640x480`."""
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if match is None:
        raise typer.BadParameter(f"{text!r} is not WIDTHxHEIGHT, for example 1024x768")
    return int(match[1]), int(match[2])


def generate(
    prompt: Annotated[str, typer.Argument(help="What the picture shows.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="File to write: .png, .jpg, .webp or .avif.")] = FILE,
    size: Annotated[str | None, typer.Option(metavar="WxH", help="Width and height in pixels: 1024x768.")] = None,
    seed: Annotated[int | None, typer.Option(help="Equal seeds give equal pictures.")] = None,
    steps: Annotated[int | None, typer.Option(help="Denoising steps.")] = None,
    endpoint: Annotated[str, typer.Option(help="Which endpoint to call.")] = ENDPOINT,
    url: Annotated[str, typer.Option(help="Where the server is.")] = LOCAL_URL,
    key: KeyOption = None,
    judge: Annotated[bool, typer.Option("--judge", help="Say whether the picture shows the prompt.")] = False,
) -> None:
    """Draw one picture with the running server and write it to a file."""
    pixels = parse_size(size) if size else None
    order = Order(prompt=prompt, out=out, endpoint=endpoint, size=pixels, seed=seed, steps=steps, judge=judge)
    asyncio.run(_generate(order, url, key, Console()))


async def _generate(order: Order, url: str, key: str | None, console: Console) -> None:
    async with connected(url, key) as client:
        await draw_and_save(order, client, console)


async def draw_and_save(order: Order, client: Client, console: Console) -> None:
    """Draw, write the file, print the receipt and, when asked, the judge's verdict.

    Raises ServerUnreachableError or GenerationFailedError.
    """
    output = await _follow(client.draw(order.endpoint, order.arguments), console)
    data = await client.fetch(output["images"][0]["url"])
    await asyncio.to_thread(order.out.write_bytes, data)
    console.print(f"{order.out} was drawn for: {order.prompt}", markup=False)
    console.print(receipt_table(output))
    if order.judge:
        console.print(await asyncio.to_thread(verdict, order.out, order.prompt), markup=False)


async def _follow(events: AsyncIterator[Done | Answer], console: Console) -> dict[str, Any]:
    columns = (TextColumn("Drawing"), BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("waiting for a slot", total=1.0)
        async for event in events:
            if isinstance(event, Answer):
                return event.output
            progress.update(task, completed=event.fraction, description=event.message)
    raise GenerationFailedError("the server closed the stream before the picture was done")
