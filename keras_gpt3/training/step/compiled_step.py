"""What `GPT3.compile` decided about the step. TensorFlow, or JAX."""

import contextlib
import dataclasses
import functools

import keras

from keras_gpt3.argument_checks import check_integer
from keras_gpt3.argument_checks import echoed
from keras_gpt3.ops.op_compilation import has_gpu
from keras_gpt3.parallel.pipeline_stages import assign_stages
from keras_gpt3.parallel.pipeline_stages import check_num_stages
from keras_gpt3.parallel.pipeline_stages import lies_on_stages
from keras_gpt3.parallel.variable_layouts import optimizer_layouts


@dataclasses.dataclass
class CompiledStep:
    """How a compiled `GPT3` trains.

    It holds the trackers of its metrics, so that Keras does not take them for
    a part of the model and save them with the weights.
    """

    own_loss: bool
    is_fused: bool
    tracks_accuracy: bool
    jit_compile: bool | str
    micro_batch_size: int | None = None
    rematerialization: str | int = "none"
    pipeline_stages: int = 1
    stages: tuple = ()
    metrics: list = dataclasses.field(default_factory=list)
    skipped_steps: int = 0

    @classmethod
    def choose(cls, loss, metrics, weighted_metrics, jit_compile, **choices):
        """Choose the step for the arguments of `compile`."""
        own_loss = loss == "auto"
        tracks_accuracy = own_loss and weighted_metrics == "auto"
        their_metrics = metrics or (not tracks_accuracy and weighted_metrics)
        is_fused = own_loss and not their_metrics
        step = cls(own_loss, is_fused, tracks_accuracy, jit_compile, **choices)
        step.check_micro_batch_size()
        step.check_pipeline_stages()
        return step

    def check_micro_batch_size(self):
        """Raise unless the batch can be taken in micro-batches."""
        if self.micro_batch_size is None:
            return
        check_integer("micro_batch_size", self.micro_batch_size, minimum=1)
        if not self.is_fused:
            raise ValueError(
                "micro_batch_size must be None with a loss or metrics of your "
                f"own. Received: micro_batch_size={self.micro_batch_size}. "
                "Leave the loss and metrics out of compile()."
            )

    def check_pipeline_stages(self):
        """Raise unless the model can be a pipeline with these arguments."""
        check_num_stages(self.pipeline_stages)
        if self.pipeline_stages == 1:
            return
        if not self.is_fused:
            raise ValueError(
                "pipeline_stages must be 1 with a loss or metrics of your own. "
                f"Received: pipeline_stages={self.pipeline_stages}. Leave the "
                "loss and metrics out of compile()."
            )
        if self.jit_compile not in ("auto", False, None):
            raise ValueError(
                "pipeline_stages must be 1 where XLA compiles the whole step, "
                "for one device. Received: pipeline_stages="
                f"{self.pipeline_stages}, jit_compile={self.jit_compile}. "
                "Leave jit_compile out of compile()."
            )

    def check_head(self, model):
        """Raise if the first stage of a pipeline could not take the loss."""
        mode = model.backbone.token_embedding.quantization_mode
        if self.pipeline_stages > 1 and mode is not None:
            raise ValueError(
                "pipeline_stages must be 1 with a quantized head. Received: "
                f"pipeline_stages={self.pipeline_stages}, mode={echoed(mode)}. "
                "Use micro_batch_size alone."
            )

    def choose_stages(self, model, optimizer):
        """Divide the blocks of a model into stages; nothing moves yet."""
        self.check_head(model)
        blocks = model.backbone.decoder_blocks
        if self.pipeline_stages == 1 and not lies_on_stages(blocks):
            return None
        from keras_gpt3.parallel.pipeline_stages import moves_weights

        strategy = model._distribute_strategy
        stages = assign_stages(blocks, self.pipeline_stages, strategy)
        is_built = getattr(optimizer, "built", False)
        if is_built and moves_weights(model.backbone, stages):
            raise ValueError(
                "optimizer must be new where compile moves weights, for its "
                "slots lie beside them. Received: optimizer.built=True, "
                f"pipeline_stages={self.pipeline_stages}. Pass another one."
            )
        return stages

    def place_stages(self, model, stages):
        """Move the weights of a model to the devices of its stages."""
        if stages is None:
            return
        from keras_gpt3.parallel import pipeline_stages

        if pipeline_stages.moves_weights(model.backbone, stages):
            model.forget_graphs()
        strategy = model._distribute_strategy
        pipeline_stages.place_on_stages(model.backbone, stages, strategy)
        self.stages = stages if self.pipeline_stages > 1 else ()

    def needs_logits(self, model):
        """Whether the step has to compute the logits of all tokens."""
        # A quantized head has no table to multiply with.
        head = model.backbone.token_embedding
        return not self.is_fused or head.quantization_mode is not None

    def keras_losses(self, loss, weighted_metrics):
        """Choose the loss and metrics that are left to Keras."""
        if self.tracks_accuracy:
            weighted_metrics = None
        if self.own_loss:
            loss = None
        return {"loss": loss, "weighted_metrics": weighted_metrics}

    def make_trackers(self, model):
        """Make the loss and the metrics of the step, in the model's scope.

        In float32 whatever `floatx` is: a bfloat16 counts to 256.
        """
        mean = functools.partial(keras.metrics.Mean, dtype="float32")
        with _strategy_scope(model):
            # Keras does not track its own, made in `floatx`, either.
            vars(model)["_loss_tracker"] = mean(name="loss")
            if self.tracks_accuracy:
                from keras_gpt3.training.step.metrics import PerplexityOfLogits

                # Of labels and logits: so a user's own `train_step` calls them.
                accuracy = keras.metrics.SparseCategoricalAccuracy
                self.metrics.append(accuracy(name="accuracy", dtype="float32"))
                self.metrics.append(PerplexityOfLogits(dtype="float32"))

    def track(self, loss, accuracy, weight):
        """Add the means over a batch to the metrics of the step."""
        for metric, value in zip(self.metrics, (accuracy, loss), strict=False):
            keras.metrics.Mean.update_state(metric, value, sample_weight=weight)

    def prepare_optimizer(self, model):
        """Check optimizer and weights, and make slots before the first trace.

        With the slots in place the step is traced once, not twice.
        """
        from keras_gpt3.training.step.loss_scaling import check_optimizer
        from keras_gpt3.training.step.loss_scaling import check_weights

        check_optimizer(model.optimizer)
        check_weights(model.trainable_variables)
        if not model.optimizer.built:
            self.build_optimizer(model)
        _check_compiled_for(model)

    def steps_done(self, model):
        """Count the batches that a model was trained on.

        The optimizer counts those that changed weights. Where it adapts a loss
        scale it leaves out batches whose gradients overflow.
        """
        return int(model.optimizer.iterations) + self.skipped_steps

    def set_steps_done(self, model, steps):
        """Set how many batches a model was trained on, by another's count."""
        self.skipped_steps = steps - int(model.optimizer.iterations)

    def build_optimizer(self, model):
        """Make the optimizer's slots, where they belong."""
        variables = model.trainable_variables
        with _strategy_scope(model), optimizer_layouts(variables):
            model.optimizer.build(variables)

    @property
    def keras_jit_compile(self):
        """What Keras gets: whether to compile its own outer function."""
        if keras.config.backend() == "jax":
            return self.jit_compile
        # That fails under a `tf.distribute` strategy. The step compiles the
        # part of a replica instead.
        return False

    @property
    def jit_compile_step(self):
        """Whether XLA compiles the whole step of a replica."""
        if self.jit_compile != "auto":
            return bool(self.jit_compile)
        if self.pipeline_stages > 1:
            return False
        # On a CPU, XLA's own matrix products reach half of oneDNN's rate.
        return has_gpu()

    def with_progress(self, callbacks):
        """Put tokens per second before the callbacks of `fit`."""
        if not self.own_loss or isinstance(
            callbacks, keras.callbacks.CallbackList
        ):
            return callbacks
        from keras_gpt3.training.step.metrics import TrainingProgress

        if callbacks is None:
            callbacks = []
        elif not isinstance(callbacks, (list, tuple)):
            callbacks = [callbacks]
        return [TrainingProgress(), *callbacks]

    def compile_arguments(self):
        """The arguments of `compile` that Keras saw differently."""
        # Not the stages: devices belong to a machine, not to a model.
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


def _strategy_scope(model):
    """The scope of the model's `tf.distribute` strategy, if it has one."""
    if keras.config.backend() != "tensorflow":
        return contextlib.nullcontext()
    return model.distribute_strategy.scope()


def _check_compiled_for(model):
    """Raise where other weights are to be trained than at `compile`.

    Keras would keep the graph that it has, and train what is frozen.
    """
    from keras_gpt3.training.step.loss_scaling import inner_optimizer

    known = inner_optimizer(model.optimizer)._trainable_variables
    wanted = model.trainable_variables
    if {id(v) for v in known} != {id(v) for v in wanted}:
        raise ValueError(
            "The weights to train must be those that the model was compiled "
            f"for. Received: {len(wanted)} trainable variables, an optimizer "
            f"of {len(known)}. Call compile again after enable_lora, "
            "merge_lora or a change of trainable."
        )
