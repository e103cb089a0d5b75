"""The parts of a network that see a whole batch, each computing every sample as if it were alone."""

from collections.abc import Hashable, Sequence
from functools import partial
from typing import Any

import torch

from app.inference.determinism.cases import case_of
from app.inference.determinism.samples import Function, canonical, is_dense, per_sample
from app.inference.determinism.verdicts import Verdicts, first_exact

_REGISTERS_BYTES = 128


class InvariantPart:
    """Takes the place of `plain`, a function of a batch; parts of one `kind` share what they find out.

    `was_needed` turns true with the first call that `plain` is not trusted with.
    """

    def __init__(self, plain: Function, *, kind: Hashable, verdicts: Verdicts) -> None:
        self.plain = plain
        self.was_needed = False
        self._verdicts = verdicts.about(kind)

    def _choose(self, forms: Sequence[Function], case: Hashable, *batches: torch.Tensor) -> Function:
        """The first form that is exact in this case; the last computes sample by sample."""
        index = self._verdicts.get(case)
        if index is None:
            index = self._verdicts[case] = first_exact(forms, *batches)
        self.was_needed |= index > 0
        return forms[index]


class InvariantLayer(InvariantPart):
    """A layer of one input; `forms` are other ways to compute the same, tried where `plain` depends on the batch."""

    def __init__(self, plain: Function, *, kind: Hashable, verdicts: Verdicts, forms: Sequence[Function] = ()) -> None:
        super().__init__(plain, kind=kind, verdicts=verdicts)
        self._forms: Sequence[Function] = (plain, *forms, partial(per_sample, plain))

    def __call__(self, batch: torch.Tensor) -> Any:
        """What `plain` gives each sample alone."""
        neat = canonical(batch)
        self.was_needed |= neat is not batch
        form = self.plain if len(neat) == 1 else self._choose(self._forms, case_of([neat], {}), neat)
        return form(neat)


class InvariantActivation(InvariantPart):
    """An element-wise function of one input.

    Vectorised functions round unlike the scalar code that handles what is left over at the end of a
    row or of a thread's share. Chance may hide that from a comparison, so batches with such rests
    are not computed at once.
    """

    def __init__(self, plain: Function, *, kind: Hashable, verdicts: Verdicts) -> None:
        super().__init__(plain, kind=kind, verdicts=verdicts)
        self._forms = (plain, self._one_by_one)

    def __call__(self, batch: torch.Tensor) -> Any:
        """What `plain` gives each sample alone."""
        if len(batch) == 1:
            return self.plain(batch)
        if _leaves_no_rest(batch):
            return self._choose(self._forms, case_of([batch], {}), batch)(batch)
        self.was_needed = True
        return self._one_by_one(batch)

    def _one_by_one(self, batch: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.plain(sample) for sample in torch.split(batch, 1)])


def _leaves_no_rest(batch: torch.Tensor) -> bool:
    row = batch[0] if is_dense(batch) else batch[(0,) * (batch.dim() - 1)]
    return batch.is_cuda or (torch.get_num_threads() == 1 and row.nbytes % _REGISTERS_BYTES == 0)


class InvariantAttention(InvariantPart):
    """An attention layer whose projections are invariant; tensors among its arguments as long as the first are batches.

    Its kernels see what was freshly computed, so that its inputs need not be canonical.
    """

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """What `plain` gives each sample alone."""
        values = [*arguments, *named.values()]
        samples = next(len(value) for value in values if isinstance(value, torch.Tensor))
        if samples == 1:
            return self.plain(*arguments, **named)
        places = [place for place, value in enumerate(values) if _is_batch(value, samples)]

        def attend(*batches: torch.Tensor) -> Any:
            filled = list(values)
            for place, batch in zip(places, batches, strict=True):
                filled[place] = batch
            return self.plain(*filled[: len(arguments)], **dict(zip(named, filled[len(arguments) :], strict=True)))

        batches = [values[place] for place in places]
        return self._choose((attend, partial(per_sample, attend)), case_of(arguments, named), *batches)(*batches)


def _is_batch(value: Any, samples: int) -> bool:
    return isinstance(value, torch.Tensor) and value.shape[:1] == (samples,)
