"""The threads of a server, besides the one that talks HTTP."""

import concurrent.futures


class ServingThreads:
    """One thread that runs the model, one that counts tokens, some that write.

    TensorFlow spreads each call over the processors itself: a second call
    beside it would only slow both down.
    """

    def __init__(self):
        self.running = concurrent.futures.ThreadPoolExecutor(1, "running")
        self.checking = concurrent.futures.ThreadPoolExecutor(1, "checking")
        self.writing = concurrent.futures.ThreadPoolExecutor(4, "writing")

    def close(self):
        """Waits for what runs, and drops what has not begun."""
        for executor in (self.checking, self.running, self.writing):
            executor.shutdown(wait=True, cancel_futures=True)
