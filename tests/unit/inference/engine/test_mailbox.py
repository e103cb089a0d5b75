"""Messages between threads."""

import asyncio
import threading

from app.inference.engine.mailbox import Mailbox


async def test_messages_of_another_thread_arrive_in_order() -> None:
    """Everything posted is read in the event loop, in the order of posting, with few wake-ups."""
    read: list[tuple[int, str]] = []
    is_complete = asyncio.Event()

    def note(message: int) -> None:
        read.append((message, threading.current_thread().name))
        if message == 499:
            is_complete.set()

    mailbox = Mailbox[int](note)
    mailbox.open()
    sender = threading.Thread(target=lambda: [mailbox.post(number) for number in range(500)])
    sender.start()
    await is_complete.wait()
    sender.join()
    assert read == [(number, threading.current_thread().name) for number in range(500)]


async def test_a_message_that_is_in_no_hurry_wakes_nobody() -> None:
    """It is read with the next one that is, in the order of posting."""
    read: list[str] = []
    mailbox = Mailbox[str](read.append)
    mailbox.open()
    mailbox.post_later("calm")
    await asyncio.sleep(0)
    assert read == []
    mailbox.post("urgent")
    await asyncio.sleep(0)
    assert read == ["calm", "urgent"]


async def test_messages_before_the_opening_wait() -> None:
    """They are read once somebody reads and the next message comes."""
    read: list[str] = []
    mailbox = Mailbox[str](read.append)
    mailbox.post("early")
    mailbox.open()
    mailbox.post("late")
    await asyncio.sleep(0)
    assert read == ["early", "late"]


async def test_a_reader_that_fails_loses_nothing_but_its_message() -> None:
    """The messages behind the one whose reading failed are read all the same."""
    read: list[int] = []

    def pick(message: int) -> None:
        if message == 1:
            raise ValueError("not this one")
        read.append(message)

    failures: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    mailbox = Mailbox[int](pick)
    mailbox.open()
    for message in range(4):
        mailbox.post(message)
    for _ in range(4):
        await asyncio.sleep(0)
    assert (read, len(failures)) == ([0, 2, 3], 1)


def test_messages_after_the_end_of_the_loop_are_dropped() -> None:
    """A device that outlives its event loop is not disturbed by that."""
    mailbox = Mailbox[int](lambda message: None)

    async def opening() -> None:
        """Open in a loop that ends."""
        mailbox.open()

    asyncio.run(opening())
    mailbox.post(1)
