"""LoRAs per request: read once, laid over the denoiser between two steps, gone without a trace when nobody asks.

`reading` makes additions to layers out of files, `mounting` lets them act, `adapters` keeps them
and is what the rest of inference talks to. No weight of the model is touched: without LoRAs it is
the model that never had one, and layers of any precision can carry them.
"""

from app.inference.loras.adapters import adapted

__all__ = ["adapted"]
