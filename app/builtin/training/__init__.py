"""Trains the built-in model from drawn scenes, stage by stage, and writes it as a diffusers folder."""
