"""Writes a run's records as scalars for TensorBoard. TensorFlow only."""

import numbers


class TensorBoardSink:
    """Takes records; to be given to a run.

    The scalars are called as in the log, after the kind of record:
    `train/loss`, `validation/books/loss`.
    """

    def __init__(self, folder):
        import tensorflow as tf

        self._writer = tf.summary.create_file_writer(str(folder))

    def __call__(self, record, is_due):
        """Writes one record."""
        import tensorflow as tf

        if not is_due:
            return
        with self._writer.as_default(step=record["step"]):
            for name, value in record.items():
                is_number = isinstance(value, numbers.Real)
                if is_number and name not in ("step", "batch"):
                    tf.summary.scalar(f"{record['kind']}/{name}", float(value))
        # A kill loses none.
        self._writer.flush()
