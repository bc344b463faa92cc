"""GPT-3 as a Keras task: train, evaluate, sample, save and export."""

import functools
import logging

import keras
import keras_hub
import numpy as np
from keras import ops

from keras_gpt3 import preset_loader
from keras_gpt3.generation.sampler_loop import sample
from keras_gpt3.layers.position_embedding import check_sequence_length
from keras_gpt3.models.compiled_step import CompiledStep
from keras_gpt3.models.gpt3_backbone import GPT3Backbone
from keras_gpt3.models.gpt3_preprocessor import GPT3Preprocessor
from keras_gpt3.ops.token_id_check import check_concrete_token_ids
from keras_gpt3.ops.token_id_check import check_token_ids


@keras.saving.register_keras_serializable(package="keras_gpt3")
class GPT3(keras_hub.models.CausalLM):
    """GPT-3 (Brown et al. 2020), a language model for `fit` and `generate`.

    A `keras_hub.models.CausalLM`: a `GPT3Backbone` with its output head tied
    to the token embedding, and a `GPT3Preprocessor`. `fit`, `evaluate` and
    `train_on_batch` take raw strings through the preprocessor, or batches of
    token ids as `keras_gpt3.data.packed_dataset` yields them, with or without
    a preprocessor attached.

    Args:
        backbone: `GPT3Backbone`.
        preprocessor: `GPT3Preprocessor`, or `None` to work on token ids only.
            Defaults to `None`.
        **kwargs: See `keras.Model`: `name`, `trainable`.

    Call arguments:
        inputs: dict of `"token_ids"`, an int tensor of shape
            `(batch, length)`, and `"padding_mask"`, a bool tensor of the same
            shape, True where there is a token.

    Returns:
        A tensor of shape `(batch, length, vocabulary_size)`: the logits of the
        next token at every position.

    Raises:
        ValueError: If the tokenizer has more ids than the backbone.

    Example:

    ```python
    import numpy as np
    import keras_gpt3

    model = keras_gpt3.GPT3(
        keras_gpt3.GPT3Backbone(
            vocabulary_size=100,
            num_layers=2,
            num_heads=2,
            hidden_dim=16,
            intermediate_dim=64,
            max_sequence_length=32,
        )
    )
    x = {
        "token_ids": np.ones((4, 32), "int32"),
        "padding_mask": np.ones((4, 32), "bool"),
    }
    model.compile(optimizer=keras_gpt3.training.AdamW())
    model.fit(x, np.ones((4, 32), "int32"), verbose=0)
    ```
    """

    backbone_cls = GPT3Backbone
    preprocessor_cls = GPT3Preprocessor
    presets = preset_loader.shipped_presets()

    def __init__(self, backbone, preprocessor=None, **kwargs):
        # === Layers ===
        self.backbone = backbone
        self.preprocessor = preprocessor
        _check_vocabulary(backbone, preprocessor)

        # === Functional Model ===
        inputs = backbone.input
        outputs = backbone.logits(backbone(inputs))
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)

    # === Presets ===

    @classmethod
    def from_preset(
        cls,
        preset,
        load_weights=None,
        dtype=None,
        preprocessor="auto",
        **backbone_overrides,
    ):
        """Builds a model from a shipped preset or a saved one.

        The paper published no weights: a shipped preset is architecture,
        vocabulary and recipe, and is initialized as the paper says.

        Args:
            preset: string. A name of `GPT3.presets`, a folder that
                `save_to_preset` wrote, or a handle such as `"hf://org/name"`.
            load_weights: bool. `None` loads whatever weights there are.
                Defaults to `None`.
            dtype: string or `keras.DTypePolicy`, such as `"mixed_bfloat16"`.
                Defaults to `None`, Keras' global policy.
            preprocessor: `GPT3Preprocessor`, or `None` for none. Defaults to
                `"auto"`: the preset's, at the model's context.
            **backbone_overrides: Arguments of `GPT3Backbone` that differ from
                the preset's, such as `max_sequence_length=8192`.

        Returns:
            A `GPT3`.

        Raises:
            ValueError: If the preset or an override is unknown, if weights are
                asked of a shipped preset, or an override changes the shape of
                a stored weight.
            MemoryError: If the weights cannot fit into memory.

        Example:

        ```python
        import keras_gpt3

        model = keras_gpt3.GPT3.from_preset("gpt3_small_en", num_layers=2)
        ```
        """
        preset = str(preset)  # keras-hub takes no path objects.
        backbone = cls.backbone_cls.from_preset(
            preset, load_weights, dtype=dtype, **backbone_overrides
        )
        if preprocessor == "auto":
            preprocessor = cls.preprocessor_cls.from_preset(
                preset, sequence_length=backbone.max_sequence_length
            )
        return cls(backbone=backbone, preprocessor=preprocessor)

    # === Training ===

    def compile(
        self,
        optimizer="auto",
        loss="auto",
        *,
        metrics=None,
        weighted_metrics="auto",
        sampler="top_k",
        jit_compile="auto",
        **kwargs,
    ):
        """Configures training and sampling.

        Without a loss or metrics, the step computes the mean cross-entropy
        over tokens and the accuracy in one pass; this is the path that is
        fast. A loss or metrics of your own are honoured through full logits.

        Args:
            optimizer: string or `keras.optimizers.Optimizer`, usually
                `keras_gpt3.training.AdamW`. Under a strategy its gradients are
                averaged over the replicas before it clips them. Defaults to
                `"auto"`: Adam at 2e-5, for fine-tuning.
            loss: See `keras.Model.compile`. Defaults to `"auto"`.
            metrics: See `keras.Model.compile`. Defaults to `None`.
            weighted_metrics: See `keras.Model.compile`. Defaults to `"auto"`.
            sampler: string or `keras_hub.samplers.Sampler`, used by
                `generate`. Defaults to `"top_k"`.
            jit_compile: bool. Whether XLA compiles the whole step of a
                replica. Defaults to `"auto"`: on GPUs only; attention alone is
                compiled elsewhere.
            **kwargs: See `keras.Model.compile`.

        Raises:
            ValueError: If the optimizer accumulates gradients or scales the
                loss.

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
        self._step = CompiledStep.choose(
            loss, metrics, weighted_metrics, jit_compile
        )
        if self._step.fused_loss:
            loss, weighted_metrics = None, None
        else:
            _log_once(
                "A loss or metrics of your own need the logits of all tokens "
                "at once: batch x length x vocabulary_size floats. Leave "
                "them out of compile() to save that memory."
            )
        super().compile(
            optimizer=optimizer,
            loss=loss,
            metrics=metrics,
            weighted_metrics=weighted_metrics,
            sampler=sampler,
            # The outer function is never compiled: that fails under a
            # strategy. The step compiles the part of a replica instead.
            jit_compile=False,
            **kwargs,
        )
        self._step.prepare(self)

    @property
    def metrics(self):
        """The loss, then what the step or the user's metrics track."""
        step = getattr(self, "_step", None)
        if step is None or not step.fused_loss:
            return super().metrics
        # The parent's list keeps the metrics of an earlier `compile`.
        return [self._loss_tracker, *step.metrics]

    @property
    def loss_tracker(self):
        """The running mean of the loss, a `keras.metrics.Mean`."""
        return self._loss_tracker

    def fit(self, x=None, y=None, batch_size=None, callbacks=None, **kwargs):
        """Trains the model; see `keras.Model.fit`.

        Args:
            x: strings, a dict of `"token_ids"` and `"padding_mask"`, or a
                dataset of either, such as `packed_dataset` gives.
            y: int array of the shape of the ids: the next tokens. `None` with
                strings or a dataset. Defaults to `None`.
            batch_size: int. For arrays and lists. Defaults to `None`, 32.
            callbacks: list of `keras.callbacks.Callback`. Defaults to `None`.
            **kwargs: See `keras.Model.fit`; but arrays are not shuffled, as
                nowhere in keras-hub.

        Returns:
            A `keras.callbacks.History`, with the keys `loss`, `accuracy`,
            `learning_rate` and `tokens_per_second`.

        Raises:
            ValueError: If the replicas do not divide the batches of a dataset,
                or an id is outside the vocabulary.
        """
        self._step.check_input(self, x)
        self._step.check_input(self, kwargs.get("validation_data"))
        callbacks = self._step.with_progress(callbacks)
        # keras-hub makes a dataset of everything, and Keras would warn at
        # each call that it does not shuffle datasets.
        kwargs.setdefault("shuffle", False)
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
        self._step.check_input(self, x)
        return super().evaluate(x, y, batch_size, **kwargs)

    def preprocess_samples(self, x, y=None, sample_weight=None):
        """Turns strings into token ids; lets token ids pass, checked."""
        if not (isinstance(x, dict) and "token_ids" in x):
            return super().preprocess_samples(x, y, sample_weight)
        token_ids = check_token_ids(
            x["token_ids"], self.backbone.vocabulary_size
        )
        check_sequence_length(
            np.shape(token_ids)[-1], self.backbone.max_sequence_length
        )
        x = x | {"token_ids": token_ids}
        return keras.utils.pack_x_y_sample_weight(x, y, sample_weight)

    def train_step(self, *args):
        """One step on one replica; see `keras_gpt3.training.train_step`."""
        if keras.config.backend() != "tensorflow":
            return super().train_step(*args)
        from keras_gpt3.training import train_step

        if self._step.fused_loss:
            return train_step.train_step(self, *args, self._step.whole_xla)
        return train_step.train_step_with_compiled_loss(self, *args)

    def test_step(self, *args):
        """One step of `evaluate`; see `keras_gpt3.training.train_step`."""
        if not self._step.fused_loss:
            return super().test_step(*args)
        from keras_gpt3.training import train_step

        return train_step.test_step(self, *args)

    def make_train_function(self, force=False):
        """Makes the function that `fit` and `train_on_batch` call."""
        if keras.config.backend() == "tensorflow" and not self.optimizer.built:
            # With its slots in place the step is traced once, not twice.
            with self.distribute_strategy.scope():
                self.optimizer.build(self.trainable_variables)
        return super().make_train_function(force)

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

    # === Generation ===

    def generate(
        self,
        inputs,
        max_length=None,
        stop_token_ids="auto",
        strip_prompt=False,
    ):
        """Continues prompts with the sampler given to `compile`.

        Args:
            inputs: string or list of strings; without a preprocessor a dict
                of `"token_ids"` and `"padding_mask"`, each of shape
                `(batch, length)`, padded on the right.
            max_length: int. Length of prompt and answer, in tokens. Defaults
                to `None`: the preprocessor's `sequence_length`, or the length
                of the ids.
            stop_token_ids: list of ints, or `None` to go on to `max_length`.
                Defaults to `"auto"`: the tokenizer's end of text, if there is
                one.
            strip_prompt: bool. Whether only the answer is returned. Defaults
                to `False`.

        Returns:
            A string or list of strings; without a preprocessor a dict of
            arrays like `inputs`.

        Raises:
            ValueError: If a prompt is empty or too long, or an id is outside
                the vocabulary.

        Example:

        ```python
        import numpy as np
        import keras_gpt3

        model = keras_gpt3.GPT3.from_preset(
            "gpt3_small_en", num_layers=1, preprocessor=None
        )
        model.compile(sampler="greedy")
        prompt = {
            "token_ids": np.array([[464, 3139]]),
            "padding_mask": np.array([[True, True]]),
        }
        answer = model.generate(prompt, max_length=4)
        answer["token_ids"].shape  # (1, 4)
        ```
        """
        context = self.backbone.max_sequence_length
        check_sequence_length(max_length, context)
        if isinstance(inputs, dict):
            inputs = self._padded_prompt(inputs, max_length)
            check_sequence_length(inputs["token_ids"].shape[1], context)
            if stop_token_ids == "auto" and self.preprocessor is None:
                stop_token_ids = None
        return super().generate(
            inputs, max_length, stop_token_ids, strip_prompt
        )

    def _padded_prompt(self, inputs, max_length):
        """Prompts as arrays with room up to `max_length`."""
        if self.preprocessor is not None:
            raise ValueError(
                "inputs must be strings where a preprocessor is attached. "
                "Received: inputs=dict of ids. Set model.preprocessor = None "
                "to generate from ids."
            )
        token_ids = np.asarray(inputs["token_ids"])
        check_token_ids(token_ids, self.backbone.vocabulary_size)
        room = max(0, (max_length or 0) - token_ids.shape[1])
        padding = ((0, 0), (0, room))
        return {
            "token_ids": np.pad(token_ids.astype("int32"), padding),
            "padding_mask": np.pad(
                np.asarray(inputs["padding_mask"], "bool"), padding
            ),
        }

    def generate_step(self, inputs, stop_token_ids=None):
        """Continues one batch of padded prompts; `generate` compiles it.

        Args:
            inputs: dict of `"token_ids"` and `"padding_mask"`, each of shape
                `(batch, length)`.
            stop_token_ids: list of ints, or `None`. Defaults to `None`.

        Returns:
            A dict like `inputs`.
        """
        token_ids, padding_mask = inputs["token_ids"], inputs["padding_mask"]
        backbone = self.backbone
        cache = backbone.make_cache(*ops.shape(token_ids))
        hidden_states, cache = backbone.call_with_cache(token_ids, cache, 0)

        def next_logits(token_ids, cache, index):
            states, cache = backbone.decode_position(token_ids, cache, index)
            return backbone.logits(states), states, cache

        return sample(
            self.sampler,
            next_logits,
            token_ids,
            padding_mask,
            cache,
            stop_token_ids,
            hidden_states=hidden_states,
            model=self,
        )

    # === Saving ===

    def export(self, filepath, format="tf_saved_model", **kwargs):
        """Writes a SavedModel that stock TensorFlow runs.

        Its signatures are `logits` (token ids to logits) and `generate_tokens`
        (token ids to token ids); it needs neither this package nor Keras. See
        `keras_gpt3.export.export_saved_model`.

        Args:
            filepath: string or path. The folder to write.
            format: string. Another format of `keras.Model.export` goes to
                Keras. Defaults to `"tf_saved_model"`.
            **kwargs: See `keras.Model.export`.
        """
        if format != "tf_saved_model":
            return super().export(filepath, format=format, **kwargs)
        from keras_gpt3.export import export_saved_model

        return export_saved_model(self, filepath, **kwargs)

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
        self.optimizer.build(self.trainable_variables)


@functools.cache
def _log_once(message):
    """Warns in the log, the first time only."""
    logging.getLogger("keras_gpt3").warning(message)


def _check_vocabulary(backbone, preprocessor):
    """Raises if the tokenizer can give ids that the backbone lacks."""
    tokenizer = getattr(preprocessor, "tokenizer", None)
    # While a saved model loads, its tokenizer has no vocabulary yet.
    if getattr(tokenizer, "vocabulary", None) is None:
        return
    if tokenizer.vocabulary_size() > backbone.vocabulary_size:
        raise ValueError(
            "vocabulary_size must be at least the tokenizer's "
            f"{tokenizer.vocabulary_size()}. Received: vocabulary_size="
            f"{backbone.vocabulary_size}. Enlarge the backbone's vocabulary, "
            "or pass preprocessor=None."
        )
