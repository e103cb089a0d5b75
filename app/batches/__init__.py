"""Batches: many rows of inputs, read and checked before any of them runs."""
