"""The parts of a network that see a whole batch, each computing every sample as if it were alone."""

from collections.abc import Hashable, Sequence
from functools import partial
from typing import Any

import torch

from app.inference.determinism.cases import case_of
from app.inference.determinism.samples import Function, canonical, per_sample
from app.inference.determinism.verdicts import Verdicts, first_exact, is_even


class InvariantPart:
    """Takes the place of `plain`, a function of a batch; parts of one `kind` share what they find out.

    `was_needed` turns true with the first call to which `plain` would have given another answer.
    """

    def __init__(self, plain: Function, *, kind: Hashable, verdicts: Verdicts) -> None:
        self.plain = plain
        self.was_needed = False
        self._verdicts = verdicts.about(kind)


class InvariantLayer(InvariantPart):
    """A layer of one input; `forms` are other ways to compute the same, tried where `plain` depends on the batch."""

    def __init__(self, plain: Function, *, kind: Hashable, verdicts: Verdicts, forms: Sequence[Function] = ()) -> None:
        super().__init__(plain, kind=kind, verdicts=verdicts)
        self._forms: tuple[Function, ...] = (plain, *forms, partial(per_sample, plain))

    def __call__(self, batch: torch.Tensor) -> Any:
        """What `plain` gives each sample alone."""
        neat = canonical(batch)
        form = 0 if neat.shape[0] == 1 else self._form(neat)
        self.was_needed |= form > 0 or neat is not batch
        return self._forms[form](neat)

    def _form(self, batch: torch.Tensor) -> int:
        case = (batch.shape, batch.stride(), batch.dtype, batch.device, torch.get_num_threads())
        form = self._verdicts.get(case)
        if form is None:
            form = self._verdicts[case] = first_exact(self._forms, self.plain, batch)
        return form


class InvariantActivation(InvariantPart):
    """An element-wise function of one input."""

    def __call__(self, batch: torch.Tensor) -> Any:
        """What `plain` gives each sample alone."""
        if batch.shape[0] == 1 or batch.is_cuda or self._is_even(batch):
            return self.plain(batch)
        self.was_needed = True
        return torch.cat([self.plain(sample) for sample in torch.split(batch, 1)])

    def _is_even(self, batch: torch.Tensor) -> bool:
        case = (batch.shape, batch.stride(), batch.dtype, torch.get_num_threads())
        verdict = self._verdicts.get(case)
        if verdict is None:
            verdict = self._verdicts[case] = is_even(self.plain, batch)
        return bool(verdict)


class InvariantAttention(InvariantPart):
    """An attention layer whose projections are invariant; tensors among its arguments as long as the first are batches.

    Its kernels see what was freshly computed, so that its inputs need not be canonical.
    """

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """What `plain` gives each sample alone."""
        values = [*arguments, *named.values()]
        samples = next(value.shape[0] for value in values if isinstance(value, torch.Tensor))
        if samples == 1:
            return self.plain(*arguments, **named)
        places = [place for place, value in enumerate(values) if _is_batch(value, samples)]

        def attend(*batches: torch.Tensor) -> Any:
            filled = list(values)
            for place, batch in zip(places, batches, strict=True):
                filled[place] = batch
            return self.plain(*filled[: len(arguments)], **dict(zip(named, filled[len(arguments) :], strict=True)))

        return self._run(attend, case_of(arguments, named), [values[place] for place in places])

    def _run(self, attend: Function, case: Hashable, batches: list[torch.Tensor]) -> Any:
        forms = (attend, partial(per_sample, attend))
        form = self._verdicts.get(case)
        if form is None:
            form = self._verdicts[case] = first_exact(forms, attend, *batches)
        self.was_needed |= form > 0
        return forms[form](*batches)


def _is_batch(value: Any, samples: int) -> bool:
    return isinstance(value, torch.Tensor) and value.shape[:1] == (samples,)
