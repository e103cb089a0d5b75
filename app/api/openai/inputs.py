"""What OpenAI's clients ask for; fields that OpenAI does not know are inputs of the endpoint, such as `seed`."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from app.api.fal.schemas import OutputFormat
from app.api.fal.sizes import MAX_SIDE, MIN_SIDE
from app.errors import FieldIssue, InvalidInputError
from app.generation import ImageFormat

_SIZE = re.compile(r"(\d{1,6})x(\d{1,6})", re.ASCII)
_AUTO = "auto"
_ALL = 100

Quality = Literal["low", "medium", "high", "xhigh", "max"]
_QUALITIES: dict[str, Quality] = {"auto": "medium", "standard": "medium", "hd": "high"}


def _pixels(value: Any) -> Any:
    if value == _AUTO:
        return None
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise PydanticCustomError("value_error", "Input should be auto or WIDTHxHEIGHT, for example 1024x1024")
    width, height = int(found[1]), int(found[2])
    if not MIN_SIDE <= min(width, height) <= max(width, height) <= MAX_SIDE:
        limits = {"least": MIN_SIDE, "most": MAX_SIDE}
        raise PydanticCustomError("value_error", "Width and height should be {least} to {most} pixels", limits)
    return width, height


def _quality(value: Any) -> Any:
    return _QUALITIES.get(value, value) if isinstance(value, str) else value


def _opaque(background: str) -> str:
    if background == "transparent":
        raise PydanticCustomError("feature_not_supported", "No model here draws a transparent background")
    return background


class PicturesInput(BaseModel):
    """The fields of a generation and of an edit; those set to null count as left out."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)

    prompt: str
    model: str | None = None
    n: int = Field(default=1, ge=1, le=10)
    size: Annotated[tuple[int, int] | None, BeforeValidator(_pixels)] = None
    quality: Annotated[Quality, BeforeValidator(_quality)] = "medium"
    background: Annotated[Literal["auto", "opaque", "transparent"], AfterValidator(_opaque)] = "auto"
    output_format: OutputFormat = ImageFormat.PNG
    output_compression: int | None = Field(default=None, ge=0, le=100)
    response_format: Literal["b64_json", "url"] = "b64_json"
    stream: bool = False
    partial_images: int = Field(default=0, ge=0, le=3)
    safety_identifier: str = ""
    user: str = ""

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, data: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in data.items() if value is not None}

    def quality_of_file(self) -> int | None:
        """The quality of the encoding, 1 to 100, where one was asked for; raises InvalidInputError for a png."""
        if self.output_compression is None:
            return None
        if self.output_compression < _ALL and not self.output_format.has_quality:
            message = f"Below {_ALL} it is for jpeg, webp and avif; a png keeps everything"
            raise refused("output_compression", "feature_not_supported", message)
        return max(1, self.output_compression)

    @property
    def endpoint_inputs(self) -> dict[str, Any]:
        """What is said in the endpoint's own words."""
        return dict(self.model_extra or {})


def refused(field: str, issue_type: str, message: str) -> InvalidInputError:
    """The error for one field that cannot be had as asked."""
    return InvalidInputError((FieldIssue(("body", field), message, issue_type),))
