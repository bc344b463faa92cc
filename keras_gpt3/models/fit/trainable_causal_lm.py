"""A causal language model whose `fit` is right under every strategy."""

import keras
import keras_hub

from keras_gpt3.backend_check import require_training
from keras_gpt3.models.fit.batch_check import batch_shape
from keras_gpt3.models.fit.batch_check import check_batch
from keras_gpt3.models.fit.batch_check import check_end
from keras_gpt3.models.fit.batch_check import check_input
from keras_gpt3.models.fit.batch_check import check_labels
from keras_gpt3.models.fit.batch_check import check_micro_batches
from keras_gpt3.models.fit.compile_check import check_loss_weights
from keras_gpt3.models.fit.compile_check import checked_optimizer
from keras_gpt3.models.fit.compile_check import checked_sampler
from keras_gpt3.models.fit.compile_check import log_costs
from keras_gpt3.models.fit.compile_check import of_logits
from keras_gpt3.models.fit.jax_state import KeptState
from keras_gpt3.models.fit.training_texts import packed_documents
from keras_gpt3.models.fit.training_texts import warn_of_truncation
from keras_gpt3.ops.graph_assertion import one_line_errors
from keras_gpt3.ops.sequence_checks import check_concrete_token_ids
from keras_gpt3.planning.preflight import check_step_fits
from keras_gpt3.training.step.compiled_step import CompiledStep
from keras_gpt3.training.step.mean_loss import mean_loss


class TrainableCausalLM(keras_hub.models.CausalLM):
    """keras-hub's `CausalLM` with the package's own training step.

    The step takes the mean over tokens, averages over replicas, then clips,
    then updates; see `keras_gpt3.training.step.train_step`, or under JAX
    `keras_gpt3.training.jax.train_step`. `fit`, `evaluate` and their relatives
    take strings through the preprocessor, and token ids as they are.
    """

    compiled_step = None  # Until `compile`: how it trains.

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
        """Configure training and sampling.

        Without a loss or metrics, the step computes the mean cross-entropy
        over tokens, its exponential (the perplexity) and the accuracy in one
        pass over a few tokens' logits at a time; this is the path that is fast
        and small. A loss or metrics of your own are honoured through full
        logits; a metric that has the name of one of these stands in its place.

        Args:
            optimizer: string or `keras.optimizers.Optimizer`. Usually
                `keras_gpt3.training.AdamW`. It clips the gradients of the
                global batch, also under a strategy or a distribution. Defaults
                to `"auto"`: Adam at 2e-5, for fine-tuning.
            loss: string, callable or `keras.losses.Loss`. A cross-entropy by
                its name is one of logits, as are metrics. Defaults to
                `"auto"`, the package's own.
            metrics: list of strings or of `keras.metrics.Metric`, which ignore
                weights. Defaults to `None`.
            weighted_metrics: list of strings or of `keras.metrics.Metric`,
                which weigh tokens. Defaults to `"auto"`, the package's own.
            sampler: string or `keras_hub.samplers.Sampler`. Used by
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
                `keras_gpt3.describe` shows what each saves. Defaults to
                `"none"`.
            pipeline_stages: int. Devices over which a replica's blocks are
                spread, consecutive ones together; micro-batches flow through
                them at once, so give `micro_batch_size` as well. Weights are
                moved to where they are used, and stay there until the next
                `compile`. The first device has the embeddings and the loss;
                under a `MirroredStrategy` it is the replica's own. Batches of
                one known size are best. Not saved. TensorFlow only. Defaults
                to `1`.
            **kwargs: Keyword arguments of `keras.Model.compile`.

        Raises:
            ValueError: If the optimizer accumulates gradients or has an
                `apply` of its own; `micro_batch_size`, `rematerialization` or
                `pipeline_stages` is none of the above, or more than there are
                devices or blocks for; micro-batches or stages come with a loss
                or metrics of your own, `loss_weights` without a loss; or
                stages come with a quantized head.

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
        loss = of_logits(loss, keras.losses)
        metrics = of_logits(metrics, keras.metrics)
        weighted_metrics = of_logits(weighted_metrics, keras.metrics)
        step = CompiledStep.choose(
            loss,
            metrics,
            weighted_metrics,
            jit_compile,
            micro_batch_size=micro_batch_size,
            rematerialization=rematerialization,
            pipeline_stages=pipeline_stages,
        )
        sampler = checked_sampler(sampler)
        optimizer = checked_optimizer(optimizer)
        check_loss_weights(loss, kwargs.get("loss_weights"))
        stages = step.choose_stages(self, optimizer)
        self.backbone.rematerialize(rematerialization)
        log_costs(step)
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
        self.compiled_step = step
        step.make_trackers(self)
        # Last: the weights of a model that was refused stay where they were.
        step.place_stages(self, stages)

    @property
    def metrics(self):
        """The loss, the user's metrics, and those of the step not so named."""
        metrics = super().metrics
        inner = [getattr(metric, "metrics", [metric]) for metric in metrics]
        names = {metric.name for group in inner for metric in group}
        own = self.compiled_step.metrics if self.compiled_step else []
        return metrics + [metric for metric in own if metric.name not in names]

    @property
    def loss_tracker(self):
        """The running mean of the loss, a `keras.metrics.Mean`."""
        return self._loss_tracker

    def fit(self, x=None, y=None, batch_size=None, *, callbacks=None, **kwargs):
        """Train the model for a number of epochs.

        Args:
            x: list of strings, dict of `"token_ids"` and `"padding_mask"`, and
                perhaps `"segment_ids"`, or dataset of batches of either. Such
                as `packed_dataset` returns.
                Strings are cut and padded to the preprocessor's
                `sequence_length`; a dataset of single ones, documents, is
                packed into full contexts as `keras_gpt3.data.pack` does.
                Defaults to `None`, but is required.
            y: int array of the shape of the ids: the next tokens. `None` with
                strings or a dataset. Defaults to `None`.
            batch_size: int. For arrays, lists and documents. With micro-batches
                a last batch of documents that is not full is left out.
                Defaults to `None`, 32.
            callbacks: list of `keras.callbacks.Callback`s. One that sets the
                learning rate needs an optimizer without a schedule, such as
                `keras_gpt3.training.AdamW(6e-4)`. Defaults to `None`.
            **kwargs: Keyword arguments of `keras.Model.fit`. Arrays are not
                shuffled: keras-hub makes a dataset of them first.

        Returns:
            A `keras.callbacks.History`, with the keys `loss`, `accuracy`,
            `perplexity`, `learning_rate` and `tokens_per_second`; with a loss
            of your own `loss`, `learning_rate` and the metrics, by default
            `sparse_categorical_accuracy` alone.

        Raises:
            ValueError: If the replicas, or the batch axis of the mesh, do not
                divide the batches, or micro-batches the part of each, also of
                the last one of arrays; if an id is outside the vocabulary, or
                a sequence is longer than the context; if strings come with
                labels or weights, or there is a `class_weight`; if rows of ids
                are of several lengths, or a dataset has no end and there is no
                `steps_per_epoch`, or `validation_steps`.
            MemoryError: If a step needs more memory than there is.
            NotImplementedError: On the PyTorch backend, for which the package
                has no training step; `evaluate` and the methods for one batch
                raise it there, too.
        """
        require_training("fit")
        from keras_gpt3.training.step.loss_scaling import check_callbacks

        self._assert_compile_called("fit")
        check_labels(x, y, **kwargs)
        if isinstance(validation := kwargs.get("validation_data"), list):
            # A list is `[x, y]` for Keras, one that begins with a text is `x`.
            is_texts = validation and isinstance(validation[0], (str, bytes))
            validation = (validation,) if is_texts else tuple(validation)
        check_labels(*keras.utils.unpack_x_y_sample_weight(validation))
        callbacks = self.compiled_step.with_progress(callbacks)
        check_callbacks(self.optimizer, callbacks)
        check_input(self, x)  # Before documents are read.
        kwargs["validation_data"], _ = self._checked_data(
            validation,
            kwargs.get("validation_batch_size") or batch_size,
            validation_steps=kwargs.get("validation_steps"),
        )
        x, batch_size = self._checked_data(
            x, batch_size, steps_per_epoch=kwargs.get("steps_per_epoch")
        )
        check_micro_batches(self, x, batch_size, **kwargs)
        rows, length = batch_shape(self, x, batch_size)
        if rows and length:
            check_step_fits(self, rows, length)
        warn_of_truncation(self, x)
        # keras-hub makes a dataset of everything, and Keras would warn at
        # each call that it does not shuffle datasets.
        kwargs.setdefault("shuffle", False)
        with one_line_errors():
            return super().fit(x, y, batch_size, callbacks=callbacks, **kwargs)

    def evaluate(self, x=None, y=None, batch_size=None, **kwargs):
        """Compute the means of loss and metrics over data.

        Args:
            x: list of strings, dict of `"token_ids"` and `"padding_mask"`, or
                dataset of batches of either. Defaults to `None`, but is
                required.
            y: int array of the shape of the ids: the next tokens. `None` with
                strings or a dataset. Defaults to `None`.
            batch_size: int. For arrays, lists and documents. Defaults to
                `None`, 32.
            **kwargs: Keyword arguments of `keras.Model.evaluate`.

        Returns:
            A list of scalars, or a dict with `return_dict=True`.

        Raises:
            ValueError: If the replicas, or the batch axis of the mesh, do not
                divide the batches; an id is outside the vocabulary, or a
                sequence is longer than the context; strings come with labels
                or weights; rows of ids are of several lengths, or a dataset
                has no end and there is no `steps`.
        """
        require_training("evaluate")
        self._assert_compile_called("evaluate")
        check_labels(x, y, **kwargs)
        x, batch_size = self._checked_data(
            x, batch_size, steps=kwargs.get("steps")
        )
        with one_line_errors():
            return super().evaluate(x, y, batch_size, **kwargs)

    def _checked_data(self, x, batch_size, **steps):
        """Data and batch size, of documents that were packed in their place."""
        check_input(self, x)
        check_end(x, **steps)
        whole = (
            "steps_per_epoch" in steps and self.compiled_step.micro_batch_size
        )
        count = None in steps.values()
        return packed_documents(self, x, batch_size, bool(whole), count)

    def predict(self, x=None, batch_size=None, **kwargs):
        """Compute the logits of every position.

        Args:
            x: list of strings, dict of `"token_ids"` and `"padding_mask"`, or
                dataset of batches of either. Defaults to `None`, but is
                required.
            batch_size: int. For arrays and lists. Defaults to `None`, 32.
            **kwargs: Keyword arguments of `keras.Model.predict`.

        Returns:
            An array of shape `(rows, length, vocabulary_size)`.

        Raises:
            ValueError: If an id is outside the vocabulary, a sequence is
                longer than the context, rows of ids are of several lengths,
                or a dataset has no end and there is no `steps`.
        """
        check_input(self, x)
        check_end(x, steps=kwargs.get("steps"))
        with one_line_errors():
            return super().predict(x, batch_size, **kwargs)

    def train_on_batch(self, x, y=None, sample_weight=None, **kwargs):
        """Train the model on one batch.

        Args:
            x: list of strings, or dict of `"token_ids"` and `"padding_mask"`.
            y: int array of the shape of the ids: the next tokens. `None` with
                strings. Defaults to `None`.
            sample_weight: float array. Weights of rows, or of tokens in the
                shape of the ids. Defaults to `None`, 1 for each token.
            **kwargs: Keyword arguments of `keras.Model.train_on_batch`.

        Returns:
            A list of scalars, or a dict with `return_dict=True`.

        Raises:
            ValueError: If the replicas or micro-batches do not divide the
                batch, an id is outside the vocabulary, a sequence is longer
                than the context, strings come with labels or weights, or there
                is a `class_weight`.
        """
        require_training("train_on_batch")
        check_labels(x, y, sample_weight, **kwargs)
        return super().train_on_batch(x, y, sample_weight, **kwargs)

    def test_on_batch(self, x, y=None, sample_weight=None, **kwargs):
        """Compute the means of loss and metrics over one batch.

        Args:
            x: list of strings, or dict of `"token_ids"` and `"padding_mask"`.
            y: int array of the shape of the ids: the next tokens. `None` with
                strings. Defaults to `None`.
            sample_weight: float array. Weights of rows, or of tokens in the
                shape of the ids. Defaults to `None`, 1 for each token.
            **kwargs: Keyword arguments of `keras.Model.test_on_batch`.

        Returns:
            A list of scalars, or a dict with `return_dict=True`.

        Raises:
            ValueError: If the replicas do not divide the batch, an id is
                outside the vocabulary, a sequence is longer than the context,
                or strings come with labels or weights.
        """
        require_training("test_on_batch")
        check_labels(x, y, sample_weight)
        return super().test_on_batch(x, y, sample_weight, **kwargs)

    def preprocess_samples(self, x, y=None, sample_weight=None):
        # Strings become token ids; token ids pass, checked.
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
        # On one replica, `keras_gpt3.training.step.train_step`; under JAX on
        # all devices, `keras_gpt3.training.jax.train_step`.
        if self.compiled_step.own_loss:
            return _own_step().train_step(self, *args)
        if keras.config.backend() != "tensorflow":
            step = super().train_step
            return _own_step().with_learning_rate(self, step, *args)
        return _own_step().train_step_with_compiled_loss(self, *args)

    def test_step(self, *args):
        # As `train_step`, without gradients.
        if self.compiled_step.own_loss:
            return _own_step().test_step(self, *args)
        if keras.config.backend() != "tensorflow":
            return super().test_step(*args)
        return _own_step().test_step_with_compiled_loss(self, *args)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """Compute the loss given to `compile`, of logits.

        The package's own step needs none of it. A `train_step` of your own, as
        in Keras' guides, does.

        Args:
            x: dict of tensors. Not used. Defaults to `None`.
            y: int tensor of shape `(batch, length)`. The labels. Defaults to
                `None`, but is required.
            y_pred: tensor of shape `(batch, length, vocabulary_size)`. The
                logits. Defaults to `None`, but is required.
            sample_weight: float array. Weights of rows, or of tokens in the
                shape of the ids. Defaults to `None`, 1 for each token.
            training: bool. Not used. Defaults to `True`.

        Returns:
            A scalar: without a loss of your own the mean over tokens, or a
            replica's part of it.
        """
        if self.compiled_step is None or not self.compiled_step.own_loss:
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        loss = mean_loss(y, y_pred, sample_weight)
        return loss + sum(map(self._aggregate_additional_loss, self.losses))

    def make_train_function(self, force=False):
        # Loss scaling may wrap the optimizer, which the function holds.
        self.compiled_step.prepare_optimizer(self)
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
        # JAX' `fit` and `evaluate` would build the optimizer here, unchecked.
        # Whether the weights can be trained is asked before they are.
        if keras.config.backend() == "jax" and not self.optimizer.built:
            from keras_gpt3.training.step.loss_scaling import check_optimizer

            check_optimizer(self.optimizer)
            self.compiled_step.build_optimizer(self)
        return super()._symbolic_build(iterator, data_batch)

    def forget_graphs(self):
        """Drop all that was traced, and with it the weights that it holds.

        `compile` calls it before it moves weights.
        """
        self.train_function = self.test_function = None
        self.predict_function = self.generate_function = None

    def get_compile_config(self):
        # All of it that `compile_from_config` needs, also the sampler.
        config = super().get_compile_config()
        if config:
            sampler = keras_hub.samplers.serialize(self.sampler)
            config |= self.compiled_step.compile_arguments() | {
                "sampler": sampler
            }
        return config

    def compile_from_config(self, config):
        # A loaded model is compiled as it was when it was saved.
        config = dict(config)
        sampler = keras_hub.samplers.deserialize(config.pop("sampler"))
        config = keras.saving.deserialize_keras_object(config)
        self.compile(**config, sampler=sampler)
        self.compiled_step.build_optimizer(self)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        # To learn the shape of a batch, Keras averages it over the replicas,
        # which fails for a bool mask. One replica's part suffices.
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

    def _run_through_graph(self, inputs, operation_fn=None, **kwargs):
        # `clone_model` makes each layer of the graph anew, so the head once
        # more, and compiles a model of another class.
        if operation_fn and operation_fn.__module__.endswith("cloning"):
            name = type(self).__name__
            raise ValueError(
                "keras.models.clone_model must be given a model that shares no "
                "layer; this one's head is its token embedding. Received: "
                f"model={name}. Use {name}.from_config(model.get_config())."
            )
        if operation_fn:
            kwargs["operation_fn"] = operation_fn
        return super()._run_through_graph(inputs, **kwargs)

    def __call__(self, inputs, *args, **kwargs):
        if isinstance(inputs, dict) and "token_ids" in inputs:
            check_concrete_token_ids(
                inputs["token_ids"], self.backbone.vocabulary_size
            )
        return super().__call__(inputs, *args, **kwargs)


def _own_step():
    """The module of the package's own step on this backend."""
    if keras.config.backend() == "jax":
        from keras_gpt3.training.jax import train_step

        return train_step
    from keras_gpt3.training.step import train_step

    return train_step
