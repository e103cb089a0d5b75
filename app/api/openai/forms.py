"""Edits arrive as forms: text fields, and files."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass

from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from app.api.openai.inputs import refused
from app.errors import BadRequestError

_MOST_FIELDS = 64
_MOST_FILES = 20
_MULTIPART = "multipart/form-data"
_IMAGES = ("image", "image[]")
_GUIDES = ("mask", "markup")


@dataclass(frozen=True, slots=True)
class EditForm:
    """The text fields of an edit, and the file of its one picture."""

    fields: dict[str, str]
    image: bytes


async def parse_edit(body: bytes, headers: Mapping[str, str]) -> EditForm:
    """The form in the body; raises BadRequestError for no form, InvalidInputError for what no model here can do."""
    content_type = headers.get("content-type", "")
    kind, options = parse_options_header(content_type)
    if kind.lower() != _MULTIPART.encode() or options.get(b"charset", b"utf-8").lower() != b"utf-8":
        raise BadRequestError(f"Edits are sent as {_MULTIPART}, in UTF-8")
    if b"--%b--" % options.get(b"boundary", b"") not in body:
        raise BadRequestError("The form cannot be read: it has no boundary, or no end")
    parser = MultiPartParser(
        Headers({"content-type": content_type}),
        _chunks(body),
        max_files=_MOST_FILES,
        max_fields=_MOST_FIELDS,
        max_part_size=max(1, len(body)),
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise BadRequestError(f"The form cannot be read: {error.message}") from error
    try:
        return await _edit(form)
    finally:
        await form.close()


async def _edit(form: FormData) -> EditForm:
    for guide in _GUIDES:
        if guide in form:
            raise refused(guide, "feature_not_supported", "No model here can be told where to edit; leave it out")
    images = [part for name in _IMAGES for part in form.getlist(name)]
    if len(images) != 1:
        told = "missing" if not images else "too_long"
        raise refused("image", told, f"Input should be one picture; there are {len(images)}")
    return EditForm(
        fields={name: value for name, value in form.multi_items() if isinstance(value, str) and name not in _IMAGES},
        image=await _content(images[0]),
    )


async def _content(part: UploadFile | str) -> bytes:
    if isinstance(part, str):
        raise refused("image", "missing", "Input should be a file; name it in the form")
    return await part.read()


async def _chunks(body: bytes) -> AsyncGenerator[bytes, None]:
    yield body
