import threading

import pytest

from keras_gpt3.serving.model_server import ServingThreads


def test_close_waits_for_what_runs_and_drops_the_rest():
    threads = ServingThreads()
    go_on, done = threading.Event(), []

    def work():
        go_on.wait()
        done.append("first")

    first = threads.running.submit(work)
    second = threads.running.submit(done.append, "second")
    # The other threads are not held up.
    assert threads.checking.submit(len, "abc").result() == 3
    assert threads.writing.submit(len, "abc").result() == 3
    closing = threading.Thread(target=threads.close)
    closing.start()
    while not second.cancelled():
        pass
    go_on.set()
    closing.join()
    assert first.done() and done == ["first"]
    with pytest.raises(RuntimeError):
        threads.running.submit(len, "abc")
