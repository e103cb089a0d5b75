"""Batches: many rows through the queue of a running server, resumable, with a manifest of what came of each."""
