"""Recognizes that another worker of a run has gone. TensorFlow only."""


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
