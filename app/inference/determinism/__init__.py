"""Makes a network batch-invariant: a sample's numbers never depend on who shares its batch.

Matrix, convolution and attention kernels choose their blocking by the size of the whole batch, so
that in other company a row's products may be added up in another order. In which order a kernel
adds depends on shapes, layout, alignment, type, device and threads, never on the numbers added.
So each part of a network compares bits once for each such case, on random numbers, and computes
the batch at once where that gives every sample what it gets alone, one sample after the other
where it does not. A network in use has only those parts replaced that the case at hand needs: for
a sample alone, mostly none.
"""

from app.inference.determinism.network import make_batch_invariant
from app.inference.determinism.samples import per_sample

__all__ = ["make_batch_invariant", "per_sample"]
