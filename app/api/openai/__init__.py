"""OpenAI's images API: pictures, edits and models as OpenAI's clients expect them."""
