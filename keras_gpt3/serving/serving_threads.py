"""The threads of a server, besides the one that talks HTTP."""

import concurrent.futures


class ServingThreads:
    """One thread that runs the model, one that counts tokens, some that write.

    TensorFlow spreads each call over the processors itself: a second call
    beside it would only slow both down.

    Attributes:
        running: `concurrent.futures.Executor`. For the model.
        checking: `concurrent.futures.Executor`. For the tokenizer.
        writing: `concurrent.futures.Executor`. For the JSON of answers: more
            than one thread, for a short answer behind a long one.

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
        self.writing = concurrent.futures.ThreadPoolExecutor(4, "writing")

    def close(self):
        """Waits for what runs, and drops what has not begun."""
        for executor in (self.checking, self.running, self.writing):
            executor.shutdown(wait=True, cancel_futures=True)
