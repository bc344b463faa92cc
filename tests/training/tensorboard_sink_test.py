import math

import pytest
import tensorflow as tf

from keras_gpt3.training.run.sinks import TensorBoardSink


def scalars(folder):
    """What the event files hold, in order: step, name and number."""
    found = []
    for path in sorted(folder.iterdir()):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                number = tf.make_ndarray(value.tensor).item()
                found.append((event.step, value.tag, number))
    return found


def test_numbers_become_scalars_of_their_step(tmp_path):
    sink = TensorBoardSink(tmp_path / "new")
    sink(
        {
            "kind": "train",
            "step": 3,
            "batch": 5,
            "loss": 2.5,
            "applied": True,
            "tokens_seen": 300_000_000_000,  # More than an int32 holds.
            "noise_scale_tokens": None,
            "contexts": [1, 2],
        },
        is_due=True,
    )
    sink({"kind": "validation", "step": 4, "books/loss": 1.5}, is_due=True)
    assert scalars(tmp_path / "new") == [
        (3, "train/loss", 2.5),
        (3, "train/applied", 1.0),
        (3, "train/tokens_seen", pytest.approx(3e11)),
        (4, "validation/books/loss", 1.5),
    ]


def test_what_is_not_finite_is_written_too(tmp_path):
    sink = TensorBoardSink(tmp_path)
    sink({"kind": "train", "step": 1, "loss": math.nan}, is_due=True)
    ((step, name, number),) = scalars(tmp_path)
    assert (step, name) == (1, "train/loss")
    assert math.isnan(number)


def test_steps_that_are_not_due_are_left_out(tmp_path):
    sink = TensorBoardSink(tmp_path)
    sink({"kind": "train", "step": 1, "loss": 9.0}, is_due=False)
    sink({"kind": "train", "step": 2, "loss": 8.0}, is_due=True)
    assert scalars(tmp_path) == [(2, "train/loss", 8.0)]
