"""What `GPT3.compile` decided about the step; TensorFlow, but for JAX' loss."""

import dataclasses

import keras


@dataclasses.dataclass
class CompiledStep:
    """How a compiled `GPT3` trains.

    It holds the accuracy tracker, so that Keras does not take the tracker for
    a part of the model and save it with the weights.

    Args:
        own_loss: bool. Whether the loss is the package's own.
        is_fused: bool. Whether nothing but the step's own loss and accuracy
            is computed.
        tracks_accuracy: bool. Whether the step itself tracks the accuracy.
        jit_compile: bool or `"auto"`, as given to `compile`.
        metrics: list of the metrics that the package's own step updates.
    """

    own_loss: bool
    is_fused: bool
    tracks_accuracy: bool
    jit_compile: bool | str
    metrics: list = dataclasses.field(default_factory=list)

    @classmethod
    def choose(cls, loss, metrics, weighted_metrics, jit_compile):
        """The step for the arguments of `compile`."""
        own_loss = keras.config.backend() == "tensorflow" and loss == "auto"
        tracks_accuracy = own_loss and weighted_metrics == "auto"
        is_fused = tracks_accuracy and metrics is None
        return cls(own_loss, is_fused, tracks_accuracy, jit_compile)

    def keras_losses(self, loss, weighted_metrics):
        """The loss and metrics that are left to Keras."""
        if self.tracks_accuracy:
            weighted_metrics = None
        if self.own_loss:
            loss = None
        elif loss == "auto":  # Another backend: the same mean over tokens.
            loss = keras.losses.SparseCategoricalCrossentropy(
                from_logits=True, reduction="mean_with_sample_weight"
            )
        return {"loss": loss, "weighted_metrics": weighted_metrics}

    def make_trackers(self, model):
        """Makes the metrics of the step, in the model's scope."""
        if self.tracks_accuracy:
            with model.distribute_strategy.scope():
                self.metrics.append(keras.metrics.Mean(name="accuracy"))

    def prepare_optimizer(self, model):
        """Checks the optimizer, and gives it its slots before the first trace.

        With the slots in place the step is traced once, not twice.
        """
        from keras_gpt3.training.apply_gradients import check_optimizer

        check_optimizer(model.optimizer)
        if not model.optimizer.built:
            with model.distribute_strategy.scope():
                model.optimizer.build(model.trainable_variables)

    @property
    def whole_xla(self):
        """Whether XLA compiles the whole step of a replica."""
        if self.jit_compile != "auto":
            return bool(self.jit_compile)
        import tensorflow as tf

        # On a CPU, XLA's own matrix products reach half of oneDNN's rate.
        return bool(tf.config.list_physical_devices("GPU"))

    def with_progress(self, callbacks):
        """The callbacks of `fit` with tokens per second before them."""
        if not self.own_loss or isinstance(
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
        if self.own_loss:
            arguments["loss"] = "auto"
        if self.tracks_accuracy:
            arguments["weighted_metrics"] = "auto"
        return arguments
