"""Who says whether a stored picture shows what another prompt asks for, and how often that is mistaken."""

from dataclasses import dataclass
from typing import Protocol


class Judge(Protocol):
    """An image-text model, the built-in model's own judge, or a person."""

    @property
    def revision(self) -> str:
        """A name for the judge and its threshold: what one has found says nothing about another."""
        ...

    def can_judge(self, prompt: str) -> bool:
        """Whether verdicts on pictures for this prompt can be had.

        A hit that it cannot judge belongs to no audited population, and must not be served.
        """
        ...

    async def shows(self, blob_key: str, prompt: str) -> bool | None:
        """Whether the stored picture shows the prompt; None when there is no verdict, as on a file that is gone."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeErrors:
    """How often the judge is mistaken.

    `misses` is an upper bound of the share of wrong pictures that it calls right, `false_alarms` a lower bound of the
    share of right ones that it calls wrong; 0 is always one.
    """

    misses: float = 0.0
    false_alarms: float = 0.0

    def observed(self, rate: float) -> float:
        """The least share of pictures that the judge calls wrong when `rate` of them are."""
        return rate * (1 - self.misses) + (1 - rate) * self.false_alarms

    def corrected(self, observed: float) -> float:
        """The largest rate of wrong pictures of which the judge calls the share `observed` wrong.

        The estimator of W. J. Rogan and B. Gladen, "Estimating prevalence from the results of a screening test",
        Am. J. Epidemiology 107 (1978), at its ends; 1 for a judge that tells nothing.
        """
        told = 1 - self.misses - self.false_alarms
        return min(1.0, max(0.0, (observed - self.false_alarms) / told)) if told > 0 else 1.0

    @property
    def tells_something(self) -> bool:
        """Whether its verdicts depend on the pictures."""
        return self.misses + self.false_alarms < 1
