"""HTTP: dialects on the outside, one service behind all of them."""
