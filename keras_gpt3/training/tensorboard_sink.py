"""Writes a run's records as scalars for TensorBoard. TensorFlow only."""

import numbers


class TensorBoardSink:
    """Takes records; to be given to a run.

    The scalars are called as in the log, after the kind of record:
    `train/loss`, `validation/books/loss`.

    Args:
        folder: path. Where the event files go.

    Example:

    ```python
    import tempfile

    from keras_gpt3.training.tensorboard_sink import TensorBoardSink

    sink = TensorBoardSink(tempfile.mkdtemp())
    sink({"kind": "train", "step": 1, "loss": 10.8}, is_due=True)
    ```
    """

    def __init__(self, folder):
        import tensorflow as tf

        self._writer = tf.summary.create_file_writer(str(folder))

    def __call__(self, record, is_due):
        """Writes one record.

        Args:
            record: dict, with `"kind"` and `"step"`. What is no number is left
                out.
            is_due: bool. Whether it is one of the steps to log.
        """
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
