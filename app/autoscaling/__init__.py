"""How many replicas every deployment should have, and why: small pure policies, merged by fixed rules.

Time, load and state come in as values and go out as values, so that the same code decides in the simulator and on a
cluster. Nothing outside `live` reads a clock, a file or a network.
"""
