"""The built-in model: what it can draw, how it is drawn, judged and trained."""
