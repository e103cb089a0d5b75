"""`darkroom scaling`: what the policy does now, what it would make of a load, and what yesterday would have cost."""
