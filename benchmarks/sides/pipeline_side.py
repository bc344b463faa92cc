"""The package's own GPT-3 in stages, on logical devices of the processor."""

import keras
import tensorflow as tf
from harness.keras_step import TrainingStep
from harness.side_server import serve

import keras_gpt3

# Alike blocks, as alike stages need, and a head that is little beside them.
SIZE = {
    "num_layers": 8,
    "num_heads": 4,
    "hidden_dim": 256,
    "intermediate_dim": 1024,
    "attention_pattern": ("dense",),
    "vocabulary_size": 512,
}


def build(stages, threads, micro_batches, rows, length):
    """Builds and compiles a model.

    Args:
        stages: int. The number of devices.
        threads: int. Operations that run at a time, each in one thread.
        micro_batches: int. Those of a batch.
        rows: int. Of a micro-batch.
        length: int. Tokens in a row.

    Returns:
        A pair of the step, a `TrainingStep`, and a dict of facts.
    """
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * stages,
    )
    keras.utils.set_random_seed(0)
    model = keras_gpt3.GPT3.from_preset(
        "gpt3_small_en", preprocessor=None, max_sequence_length=length, **SIZE
    )
    model.compile(
        optimizer="sgd", micro_batch_size=rows, pipeline_stages=stages
    )
    step = TrainingStep(
        model, micro_batches * rows, length, SIZE["vocabulary_size"]
    )
    return step, {"parameters": model.count_params()}


if __name__ == "__main__":
    serve(build, "keras-gpt3", "tensorflow", "keras")
