"""The engine's loop: who is stepped, paused, decoded, cancelled or split, one tick at a time."""

import logging
from typing import Any

import pytest
import torch
from fakes import make_job
from step_loop import FakeMemory, LoopBench

from app.errors import ConfigurationError, GenerationFailedError, JobCancelledError
from app.generation import JobDraining, JobFailed, JobStarted, JobStep
from app.inference.engine.costs import step_of
from app.inference.engine.jobs import Drawing
from app.telemetry.events import BatchSplit, JobPaused, StageDone, StepDone


def out_of_memory_beyond(most: int) -> Any:
    """A device on which no more than so many pictures fit."""

    def check(seeds: list[int]) -> None:
        if len(seeds) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")

    return check


def test_a_job_tells_its_story_in_order() -> None:
    """It starts, steps, drains with its last step, and is drawn."""
    bench = LoopBench()
    bench.add(make_job("a", steps=2, report_steps=True))
    kinds = [type(event) for event in bench.run()]
    assert kinds == [JobStarted, JobStep, JobDraining, JobStep, Drawing]


def test_jobs_join_and_leave_at_every_step() -> None:
    """One that arrives later takes the next step with those that run, each at its own place on its way."""
    bench = LoopBench()
    bench.add_seeds([1], steps=3)
    bench.step()
    bench.add_seeds([2], steps=3)
    bench.run()
    assert bench.pipeline.batches == [[1], [1, 2], [1, 2], [2]]


def test_jobs_that_come_while_another_begins_share_its_step() -> None:
    """Prompts take time to encode; whoever arrives in that time does not wait for the step after."""
    bench = LoopBench()
    bench.add_seeds([1], steps=1)
    bench.loop.tick()
    bench.add_seeds([2], steps=1)
    bench.run()
    assert bench.pipeline.batches == [[1, 2]]


def test_jobs_of_different_lengths_share_their_steps() -> None:
    """The short ones leave first; nobody waits for the longest."""
    bench = LoopBench()
    for seed, steps in ((1, 1), (2, 2), (3, 4)):
        bench.add_seeds([seed], steps=steps)
    bench.run()
    assert bench.pipeline.batches == [[1, 2, 3], [2, 3], [3], [3]]
    assert bench.pipeline.decoded == [1, 2, 3]


def test_an_urgent_job_starts_with_the_next_step() -> None:
    """Behind a full batch of long jobs it takes the very next step; the least urgent one is paused meanwhile."""
    bench = LoopBench(max_batch=3)
    bench.add_seeds([1, 2, 3], steps=10)
    bench.step()
    bench.add(make_job("urgent", seed=9, steps=2, deadline_s=1001.0))
    bench.step()
    assert bench.pipeline.batches[1] == [9, 1, 2]
    bench.run()
    assert bench.pipeline.batches[3:6] == [[1, 2, 3]] * 3
    assert [pause.job_id for pause in bench.recorder.of(JobPaused)] == ["3"]


def test_a_paused_job_ends_with_the_steps_it_asked_for() -> None:
    """However often it is paused it takes each of its steps once, and its receipt says how long it stood still."""
    bench = LoopBench(max_batch=1)
    bench.add_seeds([5], steps=4)
    for number in range(3):
        bench.step()
        bench.add(make_job(f"urgent-{number}", seed=90 + number, steps=1, deadline_s=1001.0))
        bench.step()
    bench.run()
    receipt = bench.of(Drawing)["5"].receipt
    assert sum(5 in batch for batch in bench.pipeline.batches) == 4
    assert (receipt.denoise_s, receipt.paused_s, receipt.batch_size) == (4.0, 3.0, 1.0)


def test_shapes_are_never_mixed() -> None:
    """Each step is of one native size; the most urgent job decides whose turn it is."""
    bench = LoopBench()
    bench.add_seeds([1, 3], steps=2)
    bench.add_seeds([2, 4], steps=2, native_height=48)
    bench.run()
    assert bench.pipeline.batches == [[1, 3], [1, 3], [2, 4], [2, 4]]


def test_a_denoised_picture_is_decoded_before_the_next_step() -> None:
    """Its caller does not wait for the others, unless somebody more urgent has yet to begin."""
    bench = LoopBench()
    bench.add_seeds([1], steps=1)
    bench.add_seeds([2], steps=3)
    bench.step()
    bench.loop.tick()
    assert bench.pipeline.decoded == [1]
    assert len(bench.pipeline.batches) == 1


def test_an_urgent_job_does_not_wait_for_decoding() -> None:
    """It takes its step first; the denoised picture follows."""
    bench = LoopBench()
    bench.add_seeds([1], steps=1)
    bench.step()
    bench.add(make_job("urgent", seed=9, steps=2, deadline_s=1001.0))
    bench.step()
    assert (bench.pipeline.batches, bench.pipeline.decoded) == ([[1], [9]], [])
    bench.run()
    assert bench.pipeline.decoded == [1, 9]


def test_a_picture_is_not_kept_back_by_what_runs() -> None:
    """More urgent jobs that have taken their first step are behind its decoding."""
    bench = LoopBench()
    bench.add(make_job("urgent", seed=9, steps=5, deadline_s=1001.0))
    bench.add_seeds([1], steps=1)
    bench.step()
    bench.loop.tick()
    assert (bench.pipeline.batches, bench.pipeline.decoded) == ([[9, 1]], [1])


def test_a_cancelled_job_leaves_at_the_next_step() -> None:
    """It fails with its cancellation, and the others go on without it."""
    bench = LoopBench()
    first, _ = bench.add_seeds([1, 2], steps=3)
    bench.step()
    first.is_cancelled = True
    bench.run()
    assert isinstance(bench.of(JobFailed)["1"].error, JobCancelledError)
    assert bench.pipeline.batches == [[1, 2], [2], [2]]


def test_a_job_cancelled_before_it_began_costs_nothing() -> None:
    """Not even its prompt is encoded."""
    bench = LoopBench()
    (work,) = bench.add_seeds([1])
    work.is_cancelled = True
    bench.run()
    assert (bench.pipeline.encoded, bench.pipeline.batches, len(bench.events)) == ([], [], 1)


def test_the_receipt_shares_the_device_among_the_batch() -> None:
    """Time on the device is divided by the pictures of each step; denoising counts whole steps."""
    bench = LoopBench(step_s=0.5)
    bench.add_seeds([1], steps=2)
    bench.add_seeds([2], steps=4)
    bench.run()
    receipts = {name: drawing.receipt for name, drawing in bench.of(Drawing).items()}
    assert (receipts["1"].gpu_ms, receipts["1"].batch_size, receipts["1"].steps) == (500.0, 2.0, 2)
    assert (receipts["2"].gpu_ms, receipts["2"].batch_size, receipts["2"].denoise_s) == (1500.0, 1.5, 2.0)
    assert sum(receipt.gpu_ms for receipt in receipts.values()) == 2000.0


def test_a_step_that_fails_for_one_sample_spares_the_others(caplog: pytest.LogCaptureFixture) -> None:
    """The batch is split until the culprit is alone; only it fails, and its cause is in the log, not in the answer."""

    def fail_on_two(seeds: list[int]) -> None:
        if 2 in seeds:
            raise RuntimeError("two does not work")

    bench = LoopBench(fail_on_two)
    bench.add_seeds([1, 2, 3, 4], steps=2)
    with caplog.at_level(logging.ERROR):
        bench.run()
    assert sorted(bench.of(Drawing)) == ["1", "3", "4"]
    assert isinstance(bench.of(JobFailed)["2"].error, GenerationFailedError)
    assert "two does not work" not in bench.of(JobFailed)["2"].error.detail
    assert "two does not work" in caplog.text


def test_out_of_memory_loses_no_job() -> None:
    """The batch is split and tried again until it fits; everything completes."""
    bench = LoopBench(out_of_memory_beyond(1), max_batch=8)
    bench.add_seeds(range(8), steps=3)
    bench.run()
    assert sorted(bench.of(Drawing)) == [str(seed) for seed in range(8)]
    assert {split.out_of_memory for split in bench.recorder.of(BatchSplit)} == {True}
    assert bench.memory.trims > 0


def test_out_of_memory_is_learnt() -> None:
    """Each size that is too large fails once; while no more memory is free it is not formed again."""
    bench = LoopBench(out_of_memory_beyond(2), max_batch=4, memory=FakeMemory(free=1000))
    bench.add_seeds(range(4), steps=6)
    bench.run()
    assert [split.batch_size for split in bench.recorder.of(BatchSplit)] == [4, 3]
    assert bench.costs.bytes(step_of(make_job("any").spec.batch_key), 3) == 1050


def test_more_memory_lets_larger_batches_again() -> None:
    """What was learnt is a need, not a ban: with more free memory the batch is tried once more."""
    bench = LoopBench(max_batch=4, memory=FakeMemory(free=1000))
    bench.costs.learn_shortage(step_of(make_job("any").spec.batch_key), 4, free=1000)
    bench.costs.observe_bytes(step_of(make_job("any").spec.batch_key), 3, 100)
    bench.add_seeds(range(4), steps=2)
    bench.step()
    bench.memory.free_bytes = 2000
    bench.run()
    assert [len(batch) for batch in bench.pipeline.batches][:2] == [3, 4]


def test_a_picture_too_large_for_the_device_fails_with_the_reason() -> None:
    """Alone and after tidying it is tried once more; then its caller is told that memory is lacking."""
    bench = LoopBench(out_of_memory_beyond(0))
    bench.add_seeds([1], steps=2)
    bench.run()
    assert "memory" in bench.of(JobFailed)["1"].error.detail
    assert bench.memory.trims == 2


def test_a_prompt_that_cannot_be_encoded_fails_alone() -> None:
    """The others of its batch are drawn."""
    bench = LoopBench()
    bench.add(make_job("a", prompt="unspeakable"), make_job("b"))
    bench.run()
    assert (list(bench.of(JobFailed)), list(bench.of(Drawing))) == (["a"], ["b"])


def test_a_prompt_is_encoded_once() -> None:
    """Jobs with the same words share one embedding."""
    bench = LoopBench()
    bench.add(make_job("a"), make_job("b"), make_job("c", prompt="another"))
    bench.run()
    assert sorted(bench.pipeline.encoded) == ["a dot", "another"]


def test_previews_come_with_the_steps_that_ask_for_them() -> None:
    """A small JPEG with every step but the last, whose picture follows at once; nobody else gets any."""
    bench = LoopBench()
    bench.add(make_job("a", steps=3, report_steps=True, previews=True), make_job("b", steps=3, report_steps=True))
    bench.run()
    previews: dict[str, list[bytes | None]] = {"a": [], "b": []}
    for event in bench.events:
        if isinstance(event, JobStep):
            previews[event.job_id].append(event.preview and event.preview[:3])
    assert previews == {"a": [b"\xff\xd8\xff", b"\xff\xd8\xff", None], "b": [None, None, None]}


def test_telemetry_sees_every_stage_and_what_was_foreseen() -> None:
    """Encode, decode, and each step with the place of each of its jobs and the prediction."""
    bench = LoopBench(step_s=0.5)
    bench.add_seeds([1], steps=1)
    bench.add_seeds([2], steps=3)
    bench.run()
    first, second, third = bench.recorder.of(StepDone)
    assert (first.job_ids, first.progress) == (("1", "2"), ((1, 1), (1, 3)))
    assert (third.job_ids, third.progress) == (("2",), ((3, 3),))
    assert [step.predicted_s for step in (first, second, third)] == [None, None, 0.5]
    stages = [(event.job_id, event.stage) for event in bench.recorder.of(StageDone)]
    assert sorted(stages) == [(job, stage) for job in "12" for stage in ("decode", "encode")]


def test_a_model_without_room_waits_and_holds_nobody_up() -> None:
    """An urgent job whose model fits only once the others are gone lets them end, decoding included, then begins."""
    bench = LoopBench(has_room=lambda: not any(work.has_begun for work in works))
    works = bench.add_seeds([1, 2], steps=2)
    bench.step()
    bench.add(make_job("urgent", seed=9, steps=1, variant="other", deadline_s=1001.0))
    bench.run()
    assert list(bench.of(Drawing)) == ["1", "2", "urgent"]
    assert len(bench.loop) == 0


def test_a_model_that_never_fits_fails_its_job_alone(caplog: pytest.LogCaptureFixture) -> None:
    """Its caller is not told how the server is configured; the log is."""

    def never() -> bool:
        raise ConfigurationError("other needs 5 bytes and never fits into memory_bytes: 3")

    bench = LoopBench(has_room=never)
    bench.add(make_job("too large", variant="other"), make_job("fine"))
    with caplog.at_level(logging.ERROR):
        bench.run()
    assert isinstance(bench.of(JobFailed)["too large"].error, GenerationFailedError)
    assert "memory_bytes" not in bench.of(JobFailed)["too large"].error.detail
    assert "memory_bytes" in caplog.text
    assert list(bench.of(Drawing)) == ["fine"]


def test_giving_up_ends_every_job() -> None:
    """Whatever state they are in, each job ends with the error."""
    bench = LoopBench(max_batch=1)
    bench.add_seeds([1, 2], steps=3)
    bench.step()
    bench.loop.abandon(JobCancelledError("the server is shutting down"))
    assert sorted(bench.of(JobFailed)) == ["1", "2"]
    assert len(bench.loop) == 0
