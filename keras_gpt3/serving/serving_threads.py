"""The two threads of a server, besides the one that talks HTTP."""

import concurrent.futures


class ServingThreads:
    """One thread that runs the model, and one that counts tokens.

    TensorFlow spreads each call over the processors itself: a second call
    beside it would only slow both down.

    Attributes:
        running: `concurrent.futures.Executor`. For the model.
        checking: `concurrent.futures.Executor`. For the tokenizer.

    Example:

    ```python
    from keras_gpt3.serving.serving_threads import ServingThreads

    threads = ServingThreads()
    threads.checking.submit(len, "abc").result()  # 3
    threads.close()
    ```
    """

    def __init__(self):
        self.running = concurrent.futures.ThreadPoolExecutor(1, "running")
        self.checking = concurrent.futures.ThreadPoolExecutor(1, "checking")

    def close(self):
        """Waits for what runs, and drops what has not begun."""
        for executor in (self.checking, self.running):
            executor.shutdown(wait=True, cancel_futures=True)
