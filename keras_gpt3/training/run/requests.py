"""What a worker asks of a run: to save, or to save and stop."""

import os
import signal
import socket
import sys
import threading
import time

# Seconds that a call into TensorFlow, which may compile for minutes, has to end
# after the second Ctrl-C.
_PATIENCE = 5.0
# What a shell expects of a process that Ctrl-C has ended.
_INTERRUPTED = 130


class RunRequests:
    """Watches signals and clocks.

    On SIGTERM, as a scheduler sends it before it takes a machine away, and
    after a time, the run is to save and stop; on a clock of minutes it is to
    save. Workers vote, in the exchange of each step, so that all of them do so
    after the same one. Ctrl-C is taken as SIGTERM the first time, and raises
    `KeyboardInterrupt` after either; a process that is deaf to it, in a long
    call, is ended. Each is acknowledged at once, on the standard error stream.
    """

    def __init__(
        self,
        stop_after_minutes,
        save_every_minutes,
        now=time.monotonic,
        elapsed_seconds=0.0,
    ):
        for name, minutes in (
            ("stop_after_minutes", stop_after_minutes),
            ("checkpoints.every_minutes", save_every_minutes),
        ):
            if minutes is not None and not minutes > 0:
                raise ValueError(
                    f"{name} must be above 0. Received: {name}={minutes}. Use "
                    "None to do without."
                )
        self._now = now
        self._stop_after = stop_after_minutes
        self._save_every = save_every_minutes
        self._saved = now()
        self._started = self._saved - elapsed_seconds
        self._terminated = False
        self._handlers = {}
        self._listener = None

    def __enter__(self):
        # Python takes signals in its main thread only.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._handlers[number] = signal.signal(number, self._terminate)
            self._listener = _SignalListener()
        return self

    def __exit__(self, *exception):
        if self._listener is not None:
            self._listener.close()
        for number, handler in self._handlers.items():
            # `None` stands for one that Python did not set.
            default = signal.SIG_DFL
            signal.signal(number, default if handler is None else handler)

    def votes(self):
        """Tells what this worker wants now."""
        stop = self._terminated or self._is_due(self._stop_after, self._started)
        save = self._is_due(self._save_every, self._saved)
        return [float(stop), float(save)]

    def saved(self):
        """Tells the clock that a checkpoint was made."""
        self._saved = self._now()

    def _is_due(self, minutes, since):
        return minutes is not None and self._now() - since >= 60 * minutes

    def _terminate(self, number, frame):
        if self._terminated and number == signal.SIGINT:
            raise KeyboardInterrupt  # Asked once more: at once.
        self._terminated = True


class _SignalListener:
    """Acknowledges signals in a thread of its own.

    Python's handlers wait for the main thread to come back from TensorFlow.
    """

    def __init__(self):
        self._heard, self._deadline = 0, None
        self._receiver, self._sender = socket.socketpair()
        self._sender.setblocking(False)
        self._before = signal.set_wakeup_fd(
            self._sender.fileno(), warn_on_full_buffer=False
        )
        self._thread = threading.Thread(
            target=self._listen, name="run_requests", daemon=True
        )
        self._thread.start()

    def close(self):
        signal.set_wakeup_fd(self._before)
        self._sender.close()  # Ends the loop of the thread.
        self._thread.join()
        self._receiver.close()
        if self._deadline is not None:
            self._deadline.cancel()

    def _listen(self):
        while number := self._receiver.recv(1):
            if number[0] in (signal.SIGINT, signal.SIGTERM):
                self._acknowledge(number[0])

    def _acknowledge(self, number):
        self._heard += 1
        if self._heard == 1:
            _tell(
                "Stopping after this step, then saving. Ctrl-C once more stops "
                "at once."
            )
        elif number == signal.SIGINT and self._deadline is None:
            _tell("Stopping at once. The last checkpoint stays.")
            # A checkpoint is renamed when it is whole: none is spoilt.
            self._deadline = threading.Timer(
                _PATIENCE, os._exit, (_INTERRUPTED,)
            )
            self._deadline.daemon = True
            self._deadline.start()


def _tell(line):
    # Looked up now: a bar on the terminal has put itself in its place.
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def from_first_worker(strategy, number):
    """Gives every worker the number that the first one has.

    All workers must call it; each returns when all have. With one worker
    nothing is waited for.
    """
    import tensorflow as tf

    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return number

    def exchange(number):
        replica = tf.distribute.get_replica_context()
        is_first = replica.replica_id_in_sync_group == 0
        return replica.all_reduce(
            tf.distribute.ReduceOp.SUM,
            tf.where(is_first, number, tf.zeros_like(number)),
        )

    share = tf.function(lambda x: strategy.run(exchange, args=(x,)))
    total = share(tf.constant(number, "float64"))
    return int(strategy.experimental_local_results(total)[0])


def wait_for_all(strategy):
    """Returns when every worker has come here."""
    from_first_worker(strategy, 0)


def is_worker_failure(error):
    """Whether an error of a step says that the cluster broke.

    A worker that goes breaks the collective that all of the others wait in.
    TensorFlow has kinds of error for that, but sometimes one of the general
    kinds comes through, with a text that names collectives or peers.
    """
    import tensorflow as tf

    kinds = (
        tf.errors.UnavailableError,
        tf.errors.AbortedError,
        tf.errors.DeadlineExceededError,
        tf.errors.CancelledError,
    )
    text = str(error)
    return isinstance(error, kinds) or (
        isinstance(error, (tf.errors.InternalError, tf.errors.UnknownError))
        and any(word in text for word in ("ollective", "peer", "/job:worker"))
    )
