"""Keeps TensorFlow from warning of graphs that are traced on purpose."""

import contextlib
import logging


@contextlib.contextmanager
def quiet_tracing():
    """Drops TensorFlow's warnings of frequent retracing, and no others.

    A model has a graph for each shape that it meets, which is traced once.
    TensorFlow counts all of them as one function, since their code is the
    same, and takes the first few shapes for a mistake.
    """
    logger = logging.getLogger("tensorflow")
    logger.addFilter(_is_other)
    try:
        yield
    finally:
        logger.removeFilter(_is_other)


def _is_other(record):
    return "triggered tf.function retracing" not in record.getMessage()
