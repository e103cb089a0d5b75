"""`darkroom train`: make the built-in models again, with progress, resumable at any time."""


def train() -> None:
    """Train the built-in models."""
    raise NotImplementedError
