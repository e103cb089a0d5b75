"""Why a picture named by `image_url` was not accepted, in fal's vocabulary."""

from typing import Any

from app.errors import FieldIssue, InvalidInputError

IMAGE_URL = ("body", "image_url")


def refused_file(issue_type: str, message: str, **context: Any) -> InvalidInputError:
    """The error for a picture that cannot be used."""
    return InvalidInputError((FieldIssue(IMAGE_URL, message, issue_type, context),))


def file_too_large(max_bytes: int) -> InvalidInputError:
    """The error for a file of more than `max_bytes`."""
    return refused_file("file_too_large", f"The file is larger than {max_bytes} bytes", max_size=max_bytes)


def not_downloaded(reason: str) -> InvalidInputError:
    """The error for a file that could not be had, with a reason that tells nothing about our network."""
    return refused_file("file_download_error", f"Failed to download the file: {reason}")
