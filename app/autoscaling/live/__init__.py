"""Scaling of a running graph: what is counted, what is decided from it, and what is published; still without Ray."""
