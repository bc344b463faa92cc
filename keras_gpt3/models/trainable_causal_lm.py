"""A causal language model whose `fit` is right under every strategy."""

import functools
import logging

import keras
import keras_hub

from keras_gpt3.models.batch_check import check_batch
from keras_gpt3.models.batch_check import check_input
from keras_gpt3.models.batch_check import check_micro_batches
from keras_gpt3.models.compiled_step import CompiledStep
from keras_gpt3.models.kept_state import KeptState
from keras_gpt3.models.memory_check import check_memory
from keras_gpt3.ops.graph_assertion import one_line_errors
from keras_gpt3.ops.token_id_check import check_concrete_token_ids


class TrainableCausalLM(keras_hub.models.CausalLM):
    """keras-hub's `CausalLM` with the package's own training step.

    The step takes the mean over tokens, averages over replicas, then clips,
    then updates; see `keras_gpt3.training.train_step`, or `jax_train_step`
    there. `fit`, `evaluate` and
    their relatives take strings through the preprocessor, and token ids as
    they are.
    """

    def compile(
        self,
        optimizer="auto",
        loss="auto",
        *,
        metrics=None,
        weighted_metrics="auto",
        sampler="top_k",
        jit_compile="auto",
        micro_batch_size=None,
        rematerialization="none",
        pipeline_stages=1,
        **kwargs,
    ):
        """Configures training and sampling.

        Without a loss or metrics, the step computes the mean cross-entropy
        over tokens, its exponential (the perplexity) and the accuracy in one
        pass over a few tokens' logits at a time; this is the path that is fast
        and small. A loss or metrics of your own are honoured through full
        logits.

        Args:
            optimizer: string or `keras.optimizers.Optimizer`, usually
                `keras_gpt3.training.AdamW`. It clips the gradients of the
                global batch, under a strategy or a distribution, too. Defaults
                to `"auto"`: Adam at 2e-5, for fine-tuning.
            loss: See `keras.Model.compile`. Defaults to `"auto"`.
            metrics: See `keras.Model.compile`. Defaults to `None`.
            weighted_metrics: See `keras.Model.compile`. Defaults to `"auto"`.
            sampler: string or `keras_hub.samplers.Sampler`, used by
                `generate`. Defaults to `"top_k"`.
            jit_compile: bool. Whether XLA compiles the whole step, of a
                replica on TensorFlow. Defaults to `"auto"`: always under JAX;
                on TensorFlow on GPUs only, and single operations elsewhere.
            micro_batch_size: int. Rows of which a replica, or the devices of a
                part of the batch under JAX, computes the gradients at a time;
                they are added up to those of its whole part, which it must
                divide. Defaults to `None`, all rows.
            rematerialization: string or int. Which decoder blocks keep nothing
                but their input for the backward pass and run forward once more
                there: `"none"`, `"block"` for all, or `k` for every `k`-th.
                `keras_gpt3.describe` tells what each saves. Defaults to
                `"none"`.
            pipeline_stages: int. Devices over which a replica's blocks are
                spread, consecutive ones together; micro-batches flow through
                them at once, so give `micro_batch_size`, too. Weights are
                moved to where they are used, and stay there until the next
                `compile`. The first device has the embeddings and the loss;
                under a `MirroredStrategy` it is the replica's own. Batches of
                one known size are best. Not saved. TensorFlow only. Defaults
                to `1`.
            **kwargs: See `keras.Model.compile`.

        Raises:
            ValueError: If the optimizer accumulates gradients or has an
                `apply` of its own; `micro_batch_size`, `rematerialization` or
                `pipeline_stages` is none of the above, or more than there are
                devices or blocks for; micro-batches or stages come with a loss
                or metrics of your own; or stages with a quantized head.

        Example:

        ```python
        import keras_gpt3

        model = keras_gpt3.GPT3.from_preset("gpt3_small_en", num_layers=1)
        recipe = keras_gpt3.training.PretrainingRecipe.for_preset(
            "gpt3_small_en"
        )
        model.compile(optimizer=recipe.optimizer(), sampler="greedy")
        ```
        """
        step = CompiledStep.choose(
            loss,
            metrics,
            weighted_metrics,
            jit_compile,
            micro_batch_size=micro_batch_size,
            rematerialization=rematerialization,
            pipeline_stages=pipeline_stages,
        )
        sampler = _checked_sampler(sampler)
        stages = step.choose_stages(self, optimizer)
        self.backbone.rematerialize(rematerialization)
        if not step.is_fused:
            _log_once(
                "A loss or metrics of your own need the logits of all tokens "
                "at once: batch x length x vocabulary_size floats. Leave "
                "them out of compile() to save that memory."
            )
        if pipeline_stages > 1 and micro_batch_size is None:
            _log_once(
                "A pipeline without micro-batches has one stage at work at a "
                "time. Give micro_batch_size to compile() so that all are."
            )
        # Keras keeps those of an earlier `compile` where it gets none.
        self._compile_metrics = None
        self._compile_loss = None
        super().compile(
            optimizer=optimizer,
            metrics=metrics,
            sampler=sampler,
            jit_compile=step.keras_jit_compile,
            **step.keras_losses(loss, weighted_metrics),
            **kwargs,
        )
        self._step = step
        step.make_trackers(self)
        # Last: the weights of a model that was refused stay where they were.
        step.place_stages(self, stages)

    @property
    def metrics(self):
        """The loss, then what the step or the user's metrics track."""
        step = getattr(self, "_step", None)
        return super().metrics + (step.metrics if step else [])

    @property
    def loss_tracker(self):
        """The running mean of the loss, a `keras.metrics.Mean`."""
        return self._loss_tracker

    def fit(self, x=None, y=None, batch_size=None, *, callbacks=None, **kwargs):
        """Trains the model; see `keras.Model.fit`.

        Args:
            x: strings, a dict of `"token_ids"` and `"padding_mask"`, or a
                dataset of either, such as `packed_dataset` gives.
            y: int array of the shape of the ids: the next tokens. `None` with
                strings or a dataset. Defaults to `None`.
            batch_size: int. For arrays and lists. Defaults to `None`, 32.
            callbacks: list of `keras.callbacks.Callback`. One that sets the
                learning rate needs an optimizer without a schedule, such as
                `keras_gpt3.training.AdamW(6e-4)`. Defaults to `None`.
            **kwargs: See `keras.Model.fit`. Arrays are not shuffled: keras-hub
                makes a dataset of them first.

        Returns:
            A `keras.callbacks.History`, with the keys `loss`, `accuracy`,
            `perplexity`, `learning_rate` and `tokens_per_second`; with a loss
            of your own `loss` and `learning_rate` only.

        Raises:
            ValueError: If the replicas, or the batch axis of the mesh, do not
                divide the batches of a dataset, or micro-batches the part of
                each, an id is outside the vocabulary, or a sequence is longer
                than the context.
            MemoryError: If a step needs more memory than there is.
        """
        from keras_gpt3.training.optimizer_check import check_callbacks

        check_input(self, x)
        check_input(self, kwargs.get("validation_data"))
        check_micro_batches(self, x)
        check_memory(self, x, batch_size)
        callbacks = self._step.with_progress(callbacks)
        check_callbacks(self.optimizer, callbacks)
        # keras-hub makes a dataset of everything, and Keras would warn at
        # each call that it does not shuffle datasets.
        kwargs.setdefault("shuffle", False)
        with one_line_errors():
            return super().fit(x, y, batch_size, callbacks=callbacks, **kwargs)

    def evaluate(self, x=None, y=None, batch_size=None, **kwargs):
        """Means of loss and metrics over data; see `keras.Model.evaluate`.

        Args:
            x: as in `fit`.
            y: as in `fit`. Defaults to `None`.
            batch_size: int. For arrays and lists. Defaults to `None`, 32.
            **kwargs: See `keras.Model.evaluate`.

        Returns:
            A list of scalars, or a dict with `return_dict=True`.

        Raises:
            ValueError: As in `fit`.
        """
        check_input(self, x)
        with one_line_errors():
            return super().evaluate(x, y, batch_size, **kwargs)

    def predict(self, x=None, batch_size=None, **kwargs):
        """Logits of every position; see `keras.Model.predict`.

        Args:
            x: as in `fit`.
            batch_size: int. For arrays and lists. Defaults to `None`, 32.
            **kwargs: See `keras.Model.predict`.

        Returns:
            An array of shape `(rows, length, vocabulary_size)`.

        Raises:
            ValueError: As in `fit`.
        """
        check_input(self, x)
        with one_line_errors():
            return super().predict(x, batch_size, **kwargs)

    def preprocess_samples(self, x, y=None, sample_weight=None):
        """Turns strings into token ids; lets token ids pass, checked."""
        if isinstance(x, dict) and "token_ids" in x:
            x, y, sample_weight = check_batch(self, x, y, sample_weight)
            return keras.utils.pack_x_y_sample_weight(x, y, sample_weight)
        if self.preprocessor is None:
            raise ValueError(
                "x must be a dict of token_ids and padding_mask where no "
                f"preprocessor is attached. Received: x of type "
                f"{type(x).__name__}. Attach a GPT3Preprocessor, or tokenize "
                "first."
            )
        return super().preprocess_samples(x, y, sample_weight)

    def train_step(self, *args):
        """One step on one replica; see `keras_gpt3.training.train_step`.

        Under JAX on all devices; see `keras_gpt3.training.jax_train_step`.
        """
        if self._step.own_loss:
            return _own_step().train_step(self, *args)
        if keras.config.backend() != "tensorflow":
            return super().train_step(*args)
        return _own_step().train_step_with_compiled_loss(self, *args)

    def test_step(self, *args):
        """One step of `evaluate`; see `train_step`."""
        if self._step.own_loss:
            return _own_step().test_step(self, *args)
        if keras.config.backend() != "tensorflow":
            return super().test_step(*args)
        return _own_step().test_step_with_compiled_loss(self, *args)

    def make_train_function(self, force=False):
        """Makes the function that `fit` and `train_on_batch` call."""
        self._step.prepare_optimizer(self)
        return super().make_train_function(force)

    def _make_function(self, step_function, *args, **kwargs):
        if keras.config.backend() != "jax":
            return super()._make_function(step_function, *args, **kwargs)
        kept = KeptState(self)
        # Of each step: with `steps_per_execution` the function has several.
        execution = super()._make_function(
            kept.updated_by(step_function), *args, **kwargs
        )
        return kept.given_back_by(execution)

    def _symbolic_build(self, iterator=None, data_batch=None):
        # JAX' `fit` would build the optimizer here, unchecked.
        if keras.config.backend() == "jax" and not self.optimizer.built:
            self._step.prepare_optimizer(self)
        return super()._symbolic_build(iterator, data_batch)

    def forget_graphs(self):
        """Drops all that was traced, and with it the weights that it holds.

        `compile` calls it before it moves weights.
        """
        self.train_function = self.test_function = None
        self.predict_function = self.generate_function = None
        for name in ("_decode_graphs", "_forward_graphs", "_head_scores"):
            vars(self).pop(name, None)

    def get_compile_config(self):
        """What `compile_from_config` needs to compile a loaded model."""
        config = super().get_compile_config()
        if config:
            sampler = keras_hub.samplers.serialize(self.sampler)
            config |= self._step.compile_arguments() | {"sampler": sampler}
        return config

    def compile_from_config(self, config):
        """Compiles a loaded model as it was when it was saved."""
        config = dict(config)
        sampler = keras_hub.samplers.deserialize(config.pop("sampler"))
        config = keras.saving.deserialize_keras_object(config)
        self.compile(**config, sampler=sampler)
        self._step.build_optimizer(self)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        # To learn the shape of a batch, Keras averages it over the replicas,
        # which fails for a bool mask. One replica's part tells as much.
        if iterator is not None and self._distribute_strategy is not None:
            _, _, batches = next(iter(iterator))
            data_batch = keras.tree.map_structure(
                lambda x: self.distribute_strategy.experimental_local_results(
                    x
                )[0],
                next(batches),
            )
        super()._maybe_symbolic_build(data_batch=data_batch)

    def _get_metrics_result_or_logs(self, logs):
        # Where a step returns more than the metrics (here the learning rate),
        # Keras keeps its logs: a mean over replicas that had unequal shares.
        return {**logs, **self.get_metrics_result()}

    def __call__(self, inputs, *args, **kwargs):
        if isinstance(inputs, dict) and "token_ids" in inputs:
            check_concrete_token_ids(
                inputs["token_ids"], self.backbone.vocabulary_size
            )
        return super().__call__(inputs, *args, **kwargs)


def _own_step():
    """The module of the package's own step on this backend."""
    if keras.config.backend() == "jax":
        from keras_gpt3.training import jax_train_step

        return jax_train_step
    from keras_gpt3.training import train_step

    return train_step


def _checked_sampler(sampler):
    """The sampler that `compile` was given, or that of a name."""
    sampler = keras_hub.samplers.get(sampler)
    if not isinstance(sampler, keras_hub.samplers.Sampler):
        raise ValueError(
            "sampler must be a keras_hub.samplers.Sampler or the name of one. "
            f"Received: sampler={sampler!r}. Use 'greedy', 'top_k', 'top_p', "
            "'random', 'beam' or 'contrastive'."
        )
    return sampler


@functools.cache
def _log_once(message):
    """Warns in the log, the first time only."""
    logging.getLogger("keras_gpt3").warning(message)
