"""What `GPT3.compile` decided about the step; TensorFlow, but for JAX' loss."""

import dataclasses

import keras

from keras_gpt3.integer_argument import check_integer


@dataclasses.dataclass
class CompiledStep:
    """How a compiled `GPT3` trains.

    It holds the trackers of its metrics, so that Keras does not take them for
    a part of the model and save them with the weights.

    Args:
        own_loss: bool. Whether the loss is the package's own.
        is_fused: bool. Whether nothing but the step's own loss and metrics
            is computed.
        tracks_accuracy: bool. Whether the step itself tracks the accuracy.
        jit_compile: bool or `"auto"`, as given to `compile`.
        micro_batch_size: int or `None`, as given to `compile`.
        rematerialization: string or int, as given to `compile`.
        metrics: list of the metrics that the package's own step updates.
    """

    own_loss: bool
    is_fused: bool
    tracks_accuracy: bool
    jit_compile: bool | str
    micro_batch_size: int | None = None
    rematerialization: str | int = "none"
    metrics: list = dataclasses.field(default_factory=list)

    @classmethod
    def choose(cls, loss, metrics, weighted_metrics, jit_compile, **choices):
        """Chooses the step for the arguments of `compile`.

        Args:
            loss: as in `GPT3.compile`.
            metrics: as in `GPT3.compile`.
            weighted_metrics: as in `GPT3.compile`.
            jit_compile: as in `GPT3.compile`.
            **choices: `micro_batch_size` and `rematerialization`.

        Returns:
            A `CompiledStep`.

        Raises:
            ValueError: If `micro_batch_size` is no positive integer, or comes
                with a loss or metrics of the user's own.
        """
        own_loss = keras.config.backend() == "tensorflow" and loss == "auto"
        tracks_accuracy = own_loss and weighted_metrics == "auto"
        their_metrics = metrics or (not tracks_accuracy and weighted_metrics)
        is_fused = own_loss and not their_metrics
        step = cls(own_loss, is_fused, tracks_accuracy, jit_compile, **choices)
        step.check_micro_batch_size()
        return step

    def check_micro_batch_size(self):
        """Raises unless the batch can be taken in micro-batches."""
        if self.micro_batch_size is None:
            return
        check_integer("micro_batch_size", self.micro_batch_size, minimum=1)
        if not self.is_fused:
            raise ValueError(
                "micro_batch_size must be None with a loss or metrics of your "
                "own or on another backend than TensorFlow. Received: "
                f"micro_batch_size={self.micro_batch_size}. Leave the loss and "
                "metrics out of compile()."
            )

    def needs_logits(self, model):
        """Whether the step has to compute the logits of all tokens.

        Args:
            model: a `GPT3`.

        Returns:
            A bool.
        """
        # A quantized head has no table to multiply with.
        head = model.backbone.token_embedding
        return not self.is_fused or head.quantization_mode is not None

    def keras_losses(self, loss, weighted_metrics):
        """Chooses the loss and metrics that are left to Keras.

        Args:
            loss: as in `GPT3.compile`.
            weighted_metrics: as in `GPT3.compile`.

        Returns:
            A dict of two arguments of `keras.Model.compile`.
        """
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
        """Makes the metrics of the step, in the model's scope.

        Args:
            model: a `GPT3`.
        """
        if self.tracks_accuracy:
            from keras_gpt3.training.perplexity import Perplexity

            with model.distribute_strategy.scope():
                self.metrics.append(keras.metrics.Mean(name="accuracy"))
                self.metrics.append(Perplexity())

    def track(self, loss, accuracy, weight):
        """Adds the means over a batch to the metrics of the step.

        Args:
            loss: float32 scalar, the mean over tokens.
            accuracy: float32 scalar, the mean over tokens.
            weight: float32 scalar, the sum of the tokens' weights.
        """
        for metric, value in zip(self.metrics, (accuracy, loss), strict=False):
            metric.update_state(value, sample_weight=weight)

    def prepare_optimizer(self, model):
        """Checks the optimizer, and gives it its slots before the first trace.

        With the slots in place the step is traced once, not twice.

        Args:
            model: a compiled `GPT3`.

        Raises:
            ValueError: If the step cannot apply the optimizer.
        """
        from keras_gpt3.training.apply_gradients import check_optimizer

        check_optimizer(model.optimizer)
        if not model.optimizer.built:
            with model.distribute_strategy.scope():
                model.optimizer.build(model.trainable_variables)
        _check_compiled_for(model)

    @property
    def whole_xla(self):
        """Whether XLA compiles the whole step of a replica."""
        if self.jit_compile != "auto":
            return bool(self.jit_compile)
        import tensorflow as tf

        # On a CPU, XLA's own matrix products reach half of oneDNN's rate.
        return bool(tf.config.list_physical_devices("GPU"))

    def with_progress(self, callbacks):
        """Puts tokens per second before the callbacks of `fit`.

        Args:
            callbacks: as in `GPT3.fit`.

        Returns:
            A list, or a `CallbackList` as it came.
        """
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
        arguments = {
            "jit_compile": self.jit_compile,
            "micro_batch_size": self.micro_batch_size,
            "rematerialization": self.rematerialization,
        }
        if self.own_loss:
            arguments["loss"] = "auto"
        if self.tracks_accuracy:
            arguments["weighted_metrics"] = "auto"
        return arguments


def _check_compiled_for(model):
    """Raises where other weights are to be trained than at `compile`.

    Keras would go on with the graph that it has, and train what is frozen.
    """
    from keras_gpt3.training.loss_scaling import inner_optimizer

    known = inner_optimizer(model.optimizer)._trainable_variables
    wanted = model.trainable_variables
    if {id(v) for v in known} != {id(v) for v in wanted}:
        raise ValueError(
            "The weights to train must be those that the model was compiled "
            f"for. Received: {len(wanted)} trainable variables, an optimizer "
            f"of {len(known)}. Call compile again after enable_lora, "
            "merge_lora or a change of trainable."
        )
