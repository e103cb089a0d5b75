"""Settings that every suite shares."""

# Before any test loads usearch: Ray brings a C++ library of its own, whose regular expressions abort the process when
# the machine's was there first. Where Ray is served, it is always there first.
import ray  # noqa: F401
from hypothesis import settings

# A slow machine must not fail a property, and CI must fail for the change, not for the draw.
settings.register_profile("darkroom", deadline=None, derandomize=True)
settings.load_profile("darkroom")
