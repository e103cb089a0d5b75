"""fal's protocol: calls, schemas, status objects and answers as fal's clients expect them."""
