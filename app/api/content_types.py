"""Media types and file extensions, both ways: what a type is named by leads back to it."""

import mimetypes

ANYTHING = "application/octet-stream"

# Not left to the tables of the machine, which lack some of these, and differ.
_EXTENSIONS = {
    "image/jpeg": "jpeg",
    "image/png": "png",
    "image/webp": "webp",
    "image/avif": "avif",
    "image/gif": "gif",
    "text/plain": "txt",
    "application/json": "json",
    "application/zip": "zip",
}
_TYPES = {extension: content_type for content_type, extension in _EXTENSIONS.items()}


def extension_of(content_type: str) -> str:
    """The extension for a type, parameters aside; `bin` for one that has none."""
    plain = content_type.partition(";")[0].strip().lower()
    extension = _EXTENSIONS.get(plain) or (mimetypes.guess_extension(plain) or "").removeprefix(".")
    return extension if extension.isalnum() and extension.isascii() else "bin"


def content_type_of(key: str) -> str:
    """The type that a file's extension stands for."""
    extension = key.rpartition(".")[2]
    return _TYPES.get(extension) or mimetypes.guess_type(f"file.{extension}")[0] or ANYTHING
