"""Thin shells that give the objects of `app` a process, a queue and a device in Ray Serve."""
