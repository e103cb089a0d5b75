"""What travels over a realtime connection: one map per frame, msgpack in binary and JSON in text."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgpack
from pydantic_core import from_json

from app.api.errors import error_body
from app.errors import DarkroomError, FieldIssue, InvalidInputError

Frame = bytes | str


@dataclass(frozen=True, slots=True)
class Message:
    """One input as it arrived; its answer travels as it did, and carries the `request_id` that its sender gave."""

    payload: dict[str, Any]
    is_text: bool

    @property
    def tag(self) -> dict[str, Any]:
        """What the answer repeats, so that the sender knows which input it belongs to."""
        return {"request_id": self.payload["request_id"]} if "request_id" in self.payload else {}

    def answer(self, output: Mapping[str, Any]) -> Frame:
        """The frame of an answer to this input."""
        answer = {**output, **self.tag}
        return json.dumps(answer, ensure_ascii=False) if self.is_text else msgpack.packb(answer)


def message_of(frame: Frame) -> Message:
    """The input in a frame; raises InvalidInputError for anything but one map with text for keys.

    Its `request_id`, which every form of answer repeats, is a text or a whole number.
    """
    try:
        value = from_json(frame, allow_inf_nan=False) if isinstance(frame, str) else msgpack.unpackb(frame)
    except (ValueError, msgpack.UnpackException) as error:
        raise _refused("The frame is neither msgpack nor JSON") from error
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise _refused("The frame is not one map with text for keys")
    if not isinstance(value.get("request_id", ""), str | int):
        raise _refused("The request_id is neither a text nor a whole number")
    return Message(value, isinstance(frame, str))


def refusal(error: DarkroomError, tag: Mapping[str, Any]) -> str:
    """The control frame that says why an input has no answer."""
    return control("x-fal-error", error=error.error_type.upper(), reason=error.detail, **error_body(error), **tag)


def control(kind: str, **facts: Any) -> str:
    """A control frame, which is JSON whatever the other frames are."""
    return json.dumps({"type": kind, **facts}, ensure_ascii=False)


def _refused(message: str) -> InvalidInputError:
    return InvalidInputError((FieldIssue(("body",), message, "message_invalid"),))
