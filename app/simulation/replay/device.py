"""The device that draws: one picture at a time, in the order in which they came."""

from dataclasses import dataclass

from app.simulation.replay.contract import Beginning


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCosts:
    """Seconds on the device for a picture's parts, and on the host for look-ups.

    Batches are left out: where a step fills the device, they make nobody faster. `exact_s` is a look-up by key,
    `similar_s` one by similarity, its encoding included.
    """

    encode_s: float
    step_s: float
    decode_s: float
    steps: int
    exact_s: float
    similar_s: float

    def picture_s(self, beginning: Beginning | None = None) -> float:
        """What a picture takes, from noise or from further on."""
        steps = self.steps - (0 if beginning is None else beginning.step)
        renoising_s = self.decode_s if beginning is not None and beginning.renoised else 0.0
        return self.encode_s + renoising_s + steps * self.step_s + self.decode_s

    def slowed(self, factor: float) -> "DeviceCosts":
        """The same device, slower; the host stays as it is."""
        return DeviceCosts(
            encode_s=factor * self.encode_s,
            step_s=factor * self.step_s,
            decode_s=factor * self.decode_s,
            steps=self.steps,
            exact_s=self.exact_s,
            similar_s=self.similar_s,
        )
