"""Calls that the published OpenAPI documents allow, and some that they do not, against `darkroom solo`.

None is answered by an internal error, none has to be waited for, and what succeeds looks as it was described.
"""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance
from solo_server import solo

from app.api import openapi
from app.api.fal.endpoints import EndpointTable
from app.config import DarkroomSettings

PATIENCE_S = 30.0
EXAMPLES = settings(
    max_examples=12, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance]
SETTINGS = {
    "fetch": {"timeout_s": 2.0},
    "endpoints": {
        "fal-ai/flux/schnell": {"task": "text_to_image", "variant": "sketch"},
        "fal-ai/flux/dev/image-to-image": {"task": "image_to_image", "variant": "sketch"},
        "fal-ai/fast-lcm-diffusion": {"task": "text_to_image", "variant": "sketch"},
        "fal-ai/esrgan": {"task": "upscale"},
        "fal-ai/aura-sr": {"task": "upscale"},
    },
}
TABLE = EndpointTable(
    DarkroomSettings.model_validate({"variants": {"sketch": {"source": "-"}}, "endpoints": SETTINGS["endpoints"]})
)

pytestmark = pytest.mark.timeout(300)


@schemathesis.serializer("application/x-ndjson")
def lines(context: Any, value: Any) -> bytes:
    """What was made for a body of lines, as it stands."""
    return value if isinstance(value, bytes) else str(value).encode(errors="surrogatepass")


@dataclass(frozen=True, slots=True)
class Known:
    """What the server knows by the names of parameters, and a token that opens uploads."""

    names: dict[str, Any]
    bearer: str

    def about(self, names: list[str]) -> dict[str, Any]:
        """Values for all of the names, or for none."""
        return {name: self.names[name] for name in names} if all(name in self.names for name in names) else {}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that ends with the module."""
    with solo(tmp_path_factory.mktemp("published"), SETTINGS) as (url, _):
        yield url


def exercise(operation: Any, mode: GenerationMode, checks: list[Any], *, known: Known | None = None) -> None:
    """Make calls of one operation, which are as they should be, or in some way as they should not.

    Well made calls are about things that are `known` to the server. Not every operation can be called badly.
    """
    names = re.findall(r"{(\w+)}", operation.path)
    about = known.about(names) if known is not None and mode is GenerationMode.POSITIVE else {}
    headers = {"Authorization": f"Bearer {known.bearer}"} if known is not None and "/upload" in operation.path else {}

    @EXAMPLES
    @given(operation.as_strategy(generation_mode=mode, **({"path_parameters": about} if about else {})))
    def calls(case: Any) -> None:
        case.call_and_validate(checks=checks, timeout=PATIENCE_S, headers=headers)

    with contextlib.suppress(*[Unsatisfiable] * (mode is GenerationMode.NEGATIVE)):
        calls()


def operations(document: dict[str, Any]) -> Any:
    """Parametrises a test by the operations of a document, called well and badly."""
    labels = [f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods]
    modes = [pytest.param(mode, id=mode.value) for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)]
    return pytest.mark.parametrize(("label", "mode"), [(label, *mode.values) for label in labels for mode in modes])


@pytest.fixture(scope="module")
def known(url: str) -> Known:
    """A request that is completed, an upload that may be made, and a token for others."""
    asked = httpx.post(f"{url}/queue/fal-ai/flux/schnell", json={"prompt": 1}).json()
    place = httpx.post(f"{url}/rest/storage/upload/initiate-multipart", json={"content_type": "image/png"}).json()
    bearer = httpx.post(f"{url}/rest/storage/auth/token", json={}).json()["token"]
    path, _, token = place["upload_url"].partition("/multipart/")
    folder, name = path.split("/")[-2:]
    return Known(
        names={"request_id": asked["request_id"], "folder": folder, "name": name, "token": token, "number": 1},
        bearer=bearer,
    )


@pytest.fixture(scope="module")
def whole(url: str) -> Any:
    """The document of everything, as the server publishes it."""
    return schemathesis.openapi.from_url(f"{url}/openapi.json", wait_for_schema=PATIENCE_S)


@operations(openapi.document(TABLE, ""))
def test_everything(whole: Any, known: Known, label: str, mode: GenerationMode) -> None:
    """No call is answered by an internal error, and every answer is as it is described."""
    operation = next(each.ok() for each in whole.get_all_operations() if each.ok().label == label)

    exercise(operation, mode, CHECKS, known=known)


@pytest.mark.parametrize("endpoint_id", ["fal-ai/flux/schnell", "fal-ai/esrgan"])
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_the_document_of_one_endpoint(url: str, endpoint_id: str, mode: GenerationMode) -> None:
    """No call that fal's own form of document leads to is answered by an internal error."""
    where = f"{url}/api/openapi/queue/openapi.json?endpoint_id={endpoint_id}"
    document = schemathesis.openapi.from_url(where, wait_for_schema=PATIENCE_S)
    for operation in document.get_all_operations():
        exercise(operation.ok(), mode, [not_a_server_error])


def test_the_server_is_well(url: str) -> None:
    """After all this the server answers."""
    assert httpx.get(f"{url}/health", timeout=PATIENCE_S).status_code == 200
