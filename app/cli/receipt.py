"""The receipt of a picture, as a small table."""

from typing import Any

from rich.table import Table

STAGES = {"queue_s": "queue", "denoise_s": "denoise", "decode_s": "decode", "upscale_s": "upscale"}


def receipt_table(output: dict[str, Any]) -> Table:
    """How the first picture of an endpoint's output was made, and how long each part took."""
    receipt, image = output["receipts"][0], output["images"][0]
    times = "  ".join(f"{name} {receipt[key] * 1000:.0f} ms" for key, name in STAGES.items())
    table = Table(show_header=False, box=None)
    table.add_row("picture", f"{image['width']}x{image['height']}, {image['file_size']:,} bytes, seed {output['seed']}")
    table.add_row("variant", f"{receipt['variant']}, {receipt['steps']} steps, batch of {receipt['batch_size']:g}")
    table.add_row("cache", _level(receipt))
    table.add_row("times", times)
    table.add_row("device", f"{receipt['gpu_ms']:.0f} ms on {receipt['replica']}")
    return table


def _level(receipt: dict[str, Any]) -> str:
    similar = receipt.get("similar")
    if similar is None:
        return str(receipt["cache"])
    found = f"{receipt['cache']}: cosine {similar['similarity']:.3f} to entry {similar['entry']}"
    return f"{found}, at most {similar['bound']:.1%} of such are wrong by {similar['audits']} audits"
