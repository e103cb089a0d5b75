"""The schema of the configuration, and the configurations that we ship."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.config import DarkroomSettings, VariantSettings, load_settings
from app.errors import ConfigurationError

CONFIGS = Path(__file__).parents[2] / "configs"

SMALLEST = """\
variants: {sketch: {source: "builtin:sketch"}}
endpoints: {fal-ai/flux/schnell: {task: text_to_image, variant: sketch}}
"""


@pytest.fixture
def read(tmp_path: Path):
    """Reads a configuration given as text."""

    def load(text: str) -> DarkroomSettings:
        path = tmp_path / "config.yaml"
        path.write_text(text, encoding="utf-8")
        return load_settings(path)

    return load


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.name)
def test_shipped_configurations(path: Path) -> None:
    """Every configuration that we ship is valid without any environment."""
    assert load_settings(path).endpoints


def test_smallest_configuration(read) -> None:
    """One variant and one endpoint are enough; everything else has a default."""
    assert read(SMALLEST).server.port == 8000


@pytest.mark.parametrize(
    ("addition", "complaint"),
    [
        ("server: {prot: 8000}", "server.prot: Extra inputs are not permitted"),
        ("server: {port: 70000}", "server.port: Input should be less than or equal to 65535"),
        ("cache: {max_entries: -1}", "cache.max_entries: Input should be greater than or equal to 0"),
        (
            "upscaler: {autoscaling: {min_replicas: 3, max_replicas: 2}}",
            "upscaler.autoscaling: Value error, min_replicas 3 is greater than max_replicas 2",
        ),
    ],
    ids=["misspelt", "too large", "negative", "contradiction"],
)
def test_mistakes_are_named(read, addition: str, complaint: str) -> None:
    """A mistake is refused with the file, the key and the reason."""
    with pytest.raises(ConfigurationError) as raised:
        read(SMALLEST + addition)

    assert "config.yaml" in raised.value.detail
    assert complaint in raised.value.detail


def test_unknown_variant(read) -> None:
    """An endpoint that names an unknown variant is refused with the known ones."""
    with pytest.raises(ConfigurationError, match="known variants: sketch"):
        read(SMALLEST.replace("variant: sketch}", "variant: sktech}"))


@pytest.mark.parametrize("endpoint", ["{task: text_to_image}", "{task: upscale, variant: sketch}"])
def test_variant_belongs_to_drawing(read, endpoint: str) -> None:
    """Tasks that draw name a variant, upscaling does not."""
    with pytest.raises(ConfigurationError, match="exactly drawing tasks name one"):
        read(SMALLEST.replace("{task: text_to_image, variant: sketch}", endpoint))


@pytest.mark.parametrize(("text", "complaint"), [("a: [", "not valid YAML"), ("", "the file: ")])
def test_no_configuration_at_all(read, text: str, complaint: str) -> None:
    """Broken YAML and an empty file are told apart."""
    with pytest.raises(ConfigurationError, match=complaint):
        read(text)


def test_missing_file(tmp_path: Path) -> None:
    """A file that is not there is named."""
    with pytest.raises(ConfigurationError, match=r"absent\.yaml: No such file"):
        load_settings(tmp_path / "absent.yaml")


def test_default_of_a_reference(read) -> None:
    """A reference to a variable that is not set takes its default, which may be empty."""
    settings = read(
        SMALLEST + "storage: {blobs: '${DARKROOM_TEST_UNSET:-/srv/blobs}', jobs: '${DARKROOM_TEST_UNSET:-}'}"
    )

    assert (settings.storage.blobs, settings.storage.jobs) == ("/srv/blobs", "")


def test_reference_to_the_environment(read) -> None:
    """A reference takes the variable's value; the path of programs is always set."""
    assert "/" in read(SMALLEST + "storage: {blobs: '${PATH}'}").storage.blobs


def test_reference_without_value(read) -> None:
    """A reference without a default to a variable that is not set is refused by name."""
    with pytest.raises(ConfigurationError, match="DARKROOM_TEST_UNSET is not set"):
        read(SMALLEST + "storage: {blobs: '${DARKROOM_TEST_UNSET}'}")


def test_several_gateways_share_their_jobs(read) -> None:
    """Queued requests in the memory of one of several gateways would be unknown to the others, so that is refused."""
    with pytest.raises(ConfigurationError, match=r"replicas 2 with storage\.jobs memory"):
        read(SMALLEST + "server: {replicas: 2}")

    shared = read(SMALLEST + "server: {replicas: 2}\nstorage: {jobs: 'postgresql://host/jobs'}")
    assert shared.server.replicas == 2


def test_settings_are_frozen(read) -> None:
    """Nobody changes settings after they were read."""
    with pytest.raises(ValueError, match="frozen"):
        read(SMALLEST).server.port = 1


@given(width=st.integers(16, 4096), height=st.integers(16, 4096))
def test_native_size_has_the_nearest_aspect(width: int, height: int) -> None:
    """No other native size is nearer to the wanted aspect ratio, as seen from either side."""
    sizes = ((64, 64), (64, 48), (48, 64), (72, 40), (40, 72))
    chosen = VariantSettings(source="builtin:sketch", native_sizes=sizes).native_size(width, height)

    def distance(size: tuple[int, int]) -> float:
        ratio = (size[0] / size[1]) / (width / height)
        return max(ratio, 1 / ratio)

    assert chosen in sizes
    assert distance(chosen) <= min(map(distance, sizes)) * (1 + 1e-9)


@given(width=st.integers(16, 4096), height=st.integers(16, 4096))
def test_native_size_without_preference(width: int, height: int) -> None:
    """A variant without native sizes draws at the least size of whole latent patches that covers the asked one."""
    drawn = VariantSettings(source="x").native_size(width, height)

    assert all(side % 16 == 0 for side in drawn)
    assert 0 <= drawn[0] - width < 16
    assert 0 <= drawn[1] - height < 16
