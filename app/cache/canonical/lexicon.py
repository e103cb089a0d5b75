"""How lists of words are written down: one text, easy to read and to extend."""


def words(text: str) -> frozenset[str]:
    """The words of the text."""
    return frozenset(text.split())


def phrases(text: str) -> frozenset[str]:
    """The phrases of the text, which commas part."""
    return frozenset(" ".join(phrase.split()) for phrase in text.split(","))


def pairs(text: str) -> dict[str, str]:
    """From the first to the second word of each pair, which a slash parts."""
    return dict(pair.split("/", maxsplit=1) for pair in text.split())
