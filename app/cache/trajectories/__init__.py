"""Pictures that begin where a similar prompt's picture has been: at one of its denoising steps instead of noise.

After S. Agarwal et al., "Approximate caching for efficiently serving text-to-image diffusion models", NSDI 2024
(NIRVANA). It trades quality for time, so that how late a picture may begin is decided by what was measured, and none
of it is ever called a hit.
"""

from app.cache.trajectories.rule import Losses, ResumeRule, Tried
from app.cache.trajectories.shelf import Start, Trajectory, TrajectoryShelf

__all__ = ["Losses", "ResumeRule", "Start", "Trajectory", "TrajectoryShelf", "Tried"]
