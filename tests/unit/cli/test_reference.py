"""The configuration reference."""

from pathlib import Path

from app.cli.reference import reference
from app.config import DarkroomSettings
from app.config.autoscaling import ScalingSettings

ROOT = Path(__file__).parents[3]


def test_no_drift() -> None:
    """The reference in configs/ is the schema's; when this fails, run `make generated`."""
    assert (ROOT / "configs" / "README.md").read_text(encoding="utf-8") == reference()


def test_every_setting_is_described() -> None:
    """Every row of the reference says what the setting means."""
    rows = [line for line in reference().splitlines() if line.startswith("| `")]

    assert len(rows) > 40
    assert [row for row in rows if row.split(" | ")[-1].strip(" |") == ""] == []


def test_every_group_is_there() -> None:
    """Every top-level key of a configuration and of a file of scaling has its section, or its row at the top."""
    text = reference()
    names = (*DarkroomSettings.model_fields, *ScalingSettings.model_fields)

    assert [name for name in names if f"## `{name}" not in text and f"\n| `{name}` |" not in text] == []


def test_values_are_told_in_words() -> None:
    """Bounds, choices and optional values are written out."""
    text = reference()

    assert "| `port` | integer ≥ 1 ≤ 65535 | `8000` |" in text
    assert "| `proxy` | `haproxy`, `python` | `haproxy` |" in text
    assert "| `otlp_endpoint` | string or absent | `absent` |" in text
