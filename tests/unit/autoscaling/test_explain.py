"""Decisions in words."""

from scaling_values import make_decision

from app.autoscaling.terms import Term


def test_a_change_is_one_line() -> None:
    """Every term that had a part is in the line with its reason; those that had none are not."""
    assert make_decision().line() == (
        "sdxl 6→9: burst 7.4 (m=2.1/s, D=3.2, z=1.5) | forecast 5.8 (trust 0.82) | queue +1.2 (14 waiting, drain 10 s)"
        " | hold 9.0 (peak of 90 s) | schedule eu-office floor 6 | cap none → 9"
    )


def test_a_cap_says_why() -> None:
    """A ceiling that cuts the demand off is in the line with its reason."""
    line = make_decision(replicas=4, ceilings=(Term("budget", 4.6, "380 of 400 EUR spent"),)).line()

    assert line.endswith("| budget cap 4.6 (380 of 400 EUR spent) → 4")


def test_stale_numbers_are_the_whole_reason() -> None:
    """A decision that could not be made says that and nothing of terms."""
    decision = make_decision(stale="numbers are 45 s old", replicas=6, demand=(), floors=())

    assert decision.line() == "sdxl 6→6: numbers are 45 s old, held | floor none → 6"


def test_failures_are_told() -> None:
    """What failed is in the line, and that the target is not lowered because of it."""
    decision = make_decision(failures=(Term("schedule", 0.0, "failed: OSError: tzdata", failed=True),))

    assert decision.line().endswith("| schedule 0.0 (failed: OSError: tzdata) | not lowered → 9")
    assert [term.name for term in decision.failed] == ["schedule"]


def test_notes_are_told() -> None:
    """A budget that only warns is in the line."""
    assert "| budget would cap at 2.0 → 9" in make_decision(notes=("budget would cap at 2.0",)).line()


def test_terms_in_the_order_of_their_part() -> None:
    """All terms can be read one by one: demand, queue, hold, floors, ceilings."""
    decision = make_decision(ceilings=(Term("budget", 9.0),))
    names = [term.name for term in decision.terms]

    assert names == ["burst", "trend", "forecast", "queue", "hold", "schedule eu-office", "budget"]


def test_only_changes_are_worth_a_line() -> None:
    """A decision that leaves the target as it is has not changed anything."""
    assert make_decision().changed
    assert not make_decision(before=9).changed
