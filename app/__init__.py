"""Darkroom without Ray: everything that decides, draws, caches and speaks to clients."""
