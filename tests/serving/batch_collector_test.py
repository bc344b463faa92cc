import asyncio
import concurrent.futures
import threading

import numpy as np
import pytest

from keras_gpt3.serving.batching import BatchCollector


class Runner:
    """Doubles rows, keeps the batches, and refuses negative rows."""

    def __init__(self):
        self.batches = []
        self.go_on = threading.Event()
        self.go_on.set()

    def __call__(self, requests):
        rows = sum(requests, [])
        self.batches.append(rows)
        self.go_on.wait()
        if min(rows) < 0:
            raise ValueError(f"Received: {min(rows)}")
        return {"y": 2 * np.array(rows), "texts": np.array(rows, "S")}


def collect(runner, requests, max_rows=4, max_tokens=1000, timeout=0.02):
    """Sends requests, pairs of rows and longest, at once; their answers."""

    async def main():
        with concurrent.futures.ThreadPoolExecutor(1) as executor:
            collector = BatchCollector(
                runner, executor, max_rows, max_tokens, timeout
            )
            answers = asyncio.gather(
                *(collector.answer(rows, len(rows), n) for rows, n in requests),
                return_exceptions=True,
            )
            return await asyncio.wait_for(answers, 30)

    return asyncio.run(main())


def values(answers):
    return [answer["y"].tolist() for answer in answers]


def test_rows_share_batches_and_each_request_gets_its_own():
    runner = Runner()
    answers = collect(runner, [([1], 1), ([2, 3], 1), ([4], 1), ([5], 1)])
    assert values(answers) == [[2], [4, 6], [8], [10]]
    assert answers[1]["texts"].tolist() == [b"2", b"3"]
    assert runner.batches == [[1, 2, 3, 4], [5]]


def test_a_request_that_does_not_fit_waits_for_the_next_batch():
    runner = Runner()
    requests = [([1, 2, 3], 1), ([4, 5], 1), ([6], 1)]
    assert values(collect(runner, requests)) == [[2, 4, 6], [8, 10], [12]]
    assert runner.batches == [[1, 2, 3], [4, 5, 6]]


def test_padding_counts_as_tokens():
    runner = Runner()
    # Two rows beside one of 40 tokens would be 80; one may be alone.
    requests = [([1], 10), ([2], 10), ([3], 40), ([4], 90), ([5], 1)]
    collect(runner, requests, max_rows=9, max_tokens=50)
    assert runner.batches == [[1, 2], [3], [4], [5]]


def test_a_bad_request_fails_alone():
    runner = Runner()
    answers = collect(runner, [([1], 1), ([-2], 1), ([3], 1)])
    assert values([answers[0], answers[2]]) == [[2], [6]]
    assert isinstance(answers[1], ValueError)
    assert str(answers[1]) == "Received: -2"


def test_who_has_gone_is_not_run_again_when_a_batch_fails():
    runner = Runner()
    runner.go_on.clear()

    async def main():
        with concurrent.futures.ThreadPoolExecutor(1) as executor:
            collector = BatchCollector(runner, executor, 3, 1000, 0.0)
            tasks = [
                asyncio.create_task(collector.answer([row], 1, 1))
                for row in (1, -2, 3)
            ]
            while not runner.batches:
                await asyncio.sleep(0.001)
            tasks[0].cancel()
            await asyncio.sleep(0)
            runner.go_on.set()
            return await asyncio.gather(*tasks, return_exceptions=True)

    gone, bad, good = asyncio.run(main())
    assert isinstance(gone, asyncio.CancelledError)
    assert isinstance(bad, ValueError)
    assert good["y"].tolist() == [6]
    assert runner.batches == [[1, -2, 3], [-2], [3]]


@pytest.mark.parametrize(
    "shape, said", [((), r"\(\) for 1"), ((3,), r"\(3,\) for 1")]
)
def test_columns_that_are_not_by_row_are_each_requests_error(shape, said):
    message = (
        "^A batch must give one value a row of each output. Received: "
        f"y.shape={said} rows. Export the model again, with this version of "
        "keras_gpt3.$"
    )
    answers = collect(
        lambda requests: {"y": np.zeros(shape)},
        [([1], 1), ([2, 3], 1), ([4], 1)],
    )
    with pytest.raises(ValueError, match=message):
        raise answers[0]
    assert all(isinstance(answer, ValueError) for answer in answers)


def test_the_next_batch_gathers_while_one_runs():
    runner = Runner()
    runner.go_on.clear()

    async def main():
        with concurrent.futures.ThreadPoolExecutor(1) as executor:
            collector = BatchCollector(runner, executor, 4, 1000, 0.0)
            first = asyncio.create_task(collector.answer([1], 1, 1))
            while not runner.batches:
                await asyncio.sleep(0.001)
            rest = [
                asyncio.create_task(collector.answer([i], 1, 1)) for i in (2, 3)
            ]
            await asyncio.sleep(0)
            runner.go_on.set()
            return await asyncio.gather(first, *rest)

    assert values(asyncio.run(main())) == [[2], [4], [6]]
    assert runner.batches == [[1], [2, 3]]


@pytest.mark.parametrize("during", ["waiting", "running"])
def test_who_has_gone_is_left_out_and_others_are_answered(during):
    runner = Runner()
    runner.go_on.clear()

    async def main():
        with concurrent.futures.ThreadPoolExecutor(1) as executor:
            collector = BatchCollector(runner, executor, 2, 1000, 0.0)
            tasks = [
                asyncio.create_task(collector.answer([i], 1, 1))
                for i in range(4)
            ]
            while not runner.batches:
                await asyncio.sleep(0.001)
            gone = 0 if during == "running" else 2
            tasks[gone].cancel()
            await asyncio.sleep(0)
            runner.go_on.set()
            answers = await asyncio.gather(*tasks, return_exceptions=True)
            assert isinstance(answers.pop(gone), asyncio.CancelledError)
            return values(answers)

    expected = {"waiting": [[0], [2], [6]], "running": [[2], [4], [6]]}
    assert asyncio.run(main()) == expected[during]
    later = {"waiting": [3], "running": [2, 3]}
    assert runner.batches == [[0, 1], later[during]]


def test_a_batch_waits_for_others_and_no_longer():
    runner = Runner()

    async def main():
        with concurrent.futures.ThreadPoolExecutor(1) as executor:
            collector = BatchCollector(runner, executor, 8, 1000, 0.2)
            first = asyncio.create_task(collector.answer([1], 1, 1))
            await asyncio.sleep(0.02)
            return await asyncio.gather(first, collector.answer([2], 1, 1))

    assert values(asyncio.run(main())) == [[2], [4]]
    assert runner.batches == [[1, 2]]
