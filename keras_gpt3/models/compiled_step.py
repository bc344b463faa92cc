"""What `GPT3.compile` decided about the step that TensorFlow runs."""

import dataclasses

import keras
import numpy as np

from keras_gpt3.layers.position_embedding import check_sequence_length
from keras_gpt3.ops.token_id_check import check_concrete_token_ids


@dataclasses.dataclass
class CompiledStep:
    """How a compiled `GPT3` trains.

    It holds the accuracy tracker, so that Keras does not take the tracker for
    a part of the model and save it with the weights.

    Args:
        fused_loss: bool. Whether the loss is the package's own.
        jit_compile: bool or `"auto"`, as given to `compile`.
        metrics: list of the metrics that the package's own step updates.
    """

    fused_loss: bool
    jit_compile: bool | str
    metrics: list = dataclasses.field(default_factory=list)

    @classmethod
    def choose(cls, loss, metrics, weighted_metrics, jit_compile):
        """The step for the arguments of `compile`."""
        fused = (
            keras.config.backend() == "tensorflow"
            and loss == "auto"
            and metrics is None
            and weighted_metrics == "auto"
        )
        return cls(fused, jit_compile)

    def prepare(self, model):
        """Checks the optimizer and makes the trackers, in the model's scope."""
        if keras.config.backend() != "tensorflow":
            return
        from keras_gpt3.training.apply_gradients import check_optimizer

        check_optimizer(model.optimizer)
        if self.fused_loss:
            with model.distribute_strategy.scope():
                self.metrics.append(keras.metrics.Mean(name="accuracy"))

    @property
    def whole_xla(self):
        """Whether XLA compiles the whole step of a replica."""
        if self.jit_compile != "auto":
            return bool(self.jit_compile)
        import tensorflow as tf

        # On a CPU, XLA's own matrix products reach half of oneDNN's rate.
        return bool(tf.config.list_physical_devices("GPU"))

    def check_input(self, model, x):
        """Raises early what would fail late and at length inside Keras.

        Args:
            model: the compiled `GPT3`.
            x: as in `GPT3.fit`, or its `validation_data`.

        Raises:
            ValueError: If a dataset's batches do not divide among the
                replicas, an array holds an id outside the vocabulary, or
                sequences are longer than the context.
        """
        is_dataset = hasattr(x, "element_spec")
        inputs = x.element_spec if is_dataset else x
        if isinstance(inputs, tuple):  # Labels follow.
            inputs = inputs[0]
        if isinstance(inputs, dict) and "token_ids" in inputs:
            token_ids, backbone = inputs["token_ids"], model.backbone
            if not is_dataset:
                check_concrete_token_ids(token_ids, backbone.vocabulary_size)
            check_sequence_length(
                np.shape(token_ids)[-1], backbone.max_sequence_length
            )
        if keras.config.backend() != "tensorflow":
            return
        from keras_gpt3.parallel.replicas import check_batch_divides

        check_batch_divides(x, model.distribute_strategy.num_replicas_in_sync)

    def with_progress(self, callbacks):
        """The callbacks of `fit` with tokens per second before them."""
        if not self.fused_loss or isinstance(
            callbacks, keras.callbacks.CallbackList
        ):
            return callbacks
        from keras_gpt3.training.training_progress import TrainingProgress

        if callbacks is None:
            callbacks = []
        elif not isinstance(callbacks, (list, tuple)):
            callbacks = [callbacks]
        return [TrainingProgress(), *callbacks]

    def compile_arguments(self):
        """The arguments of `compile` that Keras saw differently."""
        arguments = {"jit_compile": self.jit_compile}
        if self.fused_loss:
            arguments |= {"loss": "auto", "weighted_metrics": "auto"}
        return arguments
