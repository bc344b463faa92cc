"""Checks that are part of a TensorFlow graph, with a one-line error."""

import contextlib
import re
import sys

_ASSERTION = re.compile(
    r"assertion failed: \[(.*?)\] \[(.*?)\] \[(.*?)\]", re.DOTALL
)
# What a Python function inside a graph raised, such as one that reads data.
_RAISED = re.compile(r"\b(?:ValueError|OSError): (.* Received: .*)")


def is_in_graph(x):
    """Whether `x` is a tensor of a TensorFlow graph under construction.

    That may happen under any Keras backend: `tf.data` traces functions.
    """
    tf = sys.modules.get("tensorflow")
    return tf is not None and tf.is_tensor(x) and tf.is_symbolic_tensor(x)


def assert_in_graph(x, condition, before, value, after):
    """Make a tensor carry a check."""
    import tensorflow as tf

    check = tf.debugging.Assert(condition, [before, value, after])
    with tf.control_dependencies([check]):
        return tf.identity(x)


@contextlib.contextmanager
def one_line_errors():
    """Turn errors of a graph's checks and functions into one line.

    TensorFlow wraps the text of a failed `assert_in_graph`, and of what a
    Python function in a data pipeline raised, in the names of the graph's
    nodes.
    """
    try:
        yield
    except Exception as error:
        # By name: under another backend TensorFlow may not be there.
        found = None
        if type(error).__module__.startswith("tensorflow."):
            text = str(error)
            found = _ASSERTION.search(text) or _RAISED.search(text)
        if not found:
            raise
        raise ValueError("".join(found.groups())) from None
