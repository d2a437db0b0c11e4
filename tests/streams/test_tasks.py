import asyncio

from streams.tasks import end


async def test_a_task_whose_cancellation_gets_lost_is_ended_all_the_same() -> None:
    lost = 0

    async def comes_back_after_errors() -> None:
        nonlocal lost
        while True:
            try:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    if lost < 2:
                        lost += 1
                        raise RuntimeError("the connection broke in the same moment") from None
                    raise
            except RuntimeError:
                continue

    task = asyncio.create_task(comes_back_after_errors())
    await asyncio.sleep(0)

    await end([task])

    assert task.cancelled()
    assert lost == 2


async def test_tasks_that_ended_by_themselves_are_no_trouble() -> None:
    async def fails() -> None:
        raise RuntimeError

    failed = asyncio.create_task(fails())
    await asyncio.wait([failed])

    await end([failed])
    await end([])
