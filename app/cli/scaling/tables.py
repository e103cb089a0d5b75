"""What the commands of scaling print."""

from collections.abc import Mapping

from rich.table import Table

from app.simulation.scaling.summary import Summary


def summary_table(rows: Mapping[str, Summary], *, cost_per_hour: float, currency: str) -> Table:
    """A row for each outcome, with its cost."""
    table = Table("", "requests", "in time", "GPU-hours", currency, "cold starts", "most replicas")
    for name, row in rows.items():
        table.add_row(
            name, f"{row.requests:,}", f"{row.attainment:.2%}", f"{row.gpu_hours:.1f}",
            f"{row.gpu_hours * cost_per_hour:.0f}", str(row.cold_starts), str(row.most_replicas),
        )  # fmt: skip
    return table
