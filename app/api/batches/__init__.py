"""Batches over HTTP: many rows in one call, drawn behind all more urgent work, with a manifest of what came of each."""
