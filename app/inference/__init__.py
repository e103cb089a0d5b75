"""Runs models: loads weights, denoises step by step, decodes, upscales and encodes pictures."""
