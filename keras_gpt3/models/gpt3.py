"""GPT-3 as a Keras task: train, evaluate, sample, save and export."""

import numbers

import keras

from keras_gpt3.argument_checks import echoed
from keras_gpt3.layers.quantized_layers import tables_left_alone
from keras_gpt3.models.backbone.gpt3_backbone import GPT3Backbone
from keras_gpt3.models.backbone.gpt3_backbone import calibrated_mode
from keras_gpt3.models.backbone.gpt3_backbone import has_segments
from keras_gpt3.models.backbone.gpt3_backbone import without_segments
from keras_gpt3.models.gpt3_preprocessor import GPT3Preprocessor
from keras_gpt3.models.presets.model_card import preset_folder
from keras_gpt3.models.presets.model_card import write_model_card
from keras_gpt3.models.presets.preset_registry import known_presets
from keras_gpt3.models.presets.preset_resolution import check_known_arguments
from keras_gpt3.models.presets.preset_resolution import has_preprocessor
from keras_gpt3.models.presets.preset_resolution import resolve_preset
from keras_gpt3.models.presets.preset_resolution import stored_token_ids
from keras_gpt3.models.presets.subclass_state import make_subclass
from keras_gpt3.models.score.scoring_causal_lm import ScoringCausalLM
from keras_gpt3.ops.sequence_checks import check_sequence_length


@keras.saving.register_keras_serializable(package="keras_gpt3")
class GPT3(ScoringCausalLM):
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
        special_token_ids: dict. What stands for a tokenizer's special tokens
            where there is no preprocessor, as a config of transformers has
            it: `"bos_token_id"`, `"pad_token_id"`, and `"eos_token_id"`, an
            int or a list of those that end an answer of `generate`. Defaults
            to `None`, no ids.
        **kwargs: Keyword arguments of `keras.Model`: `name`, `trainable`.

    Call arguments:
        inputs: dict of `"token_ids"`, an int tensor of shape
            `(batch, length)`, and `"padding_mask"`, a bool tensor of the same
            shape, True where there is a token. If there is `"segment_ids"`, an
            int tensor of the same shape with another id for each document of a
            row, tokens see and count only those of their own document.

    Returns:
        A tensor of shape `(batch, length, vocabulary_size)`: the logits of the
        next token at every position.

    Raises:
        ValueError: If the tokenizer has more ids than the backbone, or the
            preprocessor gives longer sequences than its context.

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
    presets = known_presets

    def __init__(
        self, backbone, preprocessor=None, special_token_ids=None, **kwargs
    ):
        # === Layers ===
        self.backbone = backbone
        self.preprocessor = preprocessor
        check_known_arguments(type(self), kwargs, also=("compile",))
        _check_preprocessor(backbone, preprocessor)
        special_token_ids = _special_token_ids(backbone, special_token_ids)

        # === Functional Model ===
        inputs = backbone.input
        outputs = backbone.logits(backbone(inputs))
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)
        # Keras makes other kinds of dicts and lists of attributes.
        self._special_token_ids = tuple(special_token_ids.items())

    def call(self, inputs, training=None, mask=None):
        # As the backbone, which says why.
        if not has_segments(inputs):
            return super().call(inputs, training=training, mask=mask)
        return self.backbone.logits(self.backbone(inputs, training=training))

    def compute_output_spec(self, inputs, training=None, mask=None):
        inputs = without_segments(inputs)
        return super().compute_output_spec(inputs, training, mask)

    @property
    def special_token_ids(self):
        """The ids of special tokens without a tokenizer, a dict.

        Those of `"bos_token_id"`, `"eos_token_id"`, a list, and
        `"pad_token_id"` that there are.
        """
        return {
            name: list(id) if name == "eos_token_id" else id
            for name, id in self._special_token_ids
        }

    def get_config(self):
        config = super().get_config()
        if self._special_token_ids:
            config["special_token_ids"] = self.special_token_ids
        return config

    def count_params(self):
        """Count the weights, all of them the backbone's.

        Returns:
            An int.
        """
        return self.backbone.count_params()

    @classmethod
    def from_preset(
        cls,
        preset,
        load_weights=None,
        dtype=None,
        preprocessor="auto",
        **backbone_overrides,
    ):
        """Build a model from a shipped preset, a saved one or a checkpoint.

        The paper published no weights: a shipped preset is architecture,
        vocabulary and recipe, and is initialized as the paper says. A
        checkpoint of a GPT-2, Cerebras-GPT, GPT-Neo or OPT in Hugging Face's
        format, a folder or a repository on its hub, gives the same logits as
        in transformers. Of its dropout the rate on residual branches is taken.
        `GPT3.presets` names published checkpoints too, with their licences:
        they are downloaded when first loaded.

        Args:
            preset: string. A name of `GPT3.presets`, a folder that
                `save_to_preset` or transformers wrote, or a handle such as
                `"hf://org/name"` or `"hf://org/name@revision"`.
            load_weights: bool. `None` loads whatever weights there are, and
                a checkpoint must have some. Defaults to `None`.
            dtype: string or `keras.DTypePolicy`. Such as `"mixed_bfloat16"`.
                Defaults to `None`, Keras' global policy.
            preprocessor: `GPT3Preprocessor`, or `None` for none. Defaults to
                `"auto"`: the preset's, if it has one, at the model's context.
            **backbone_overrides: Arguments of `GPT3Backbone` that differ from
                the preset's, such as `max_sequence_length=8192`.

        Returns:
            A `GPT3`.

        Raises:
            ValueError: If the preset or an override is unknown, if weights are
                asked of a shipped preset, an override changes the shape of a
                stored weight, or a checkpoint has a setting or a tensor that
                is not known.
            MemoryError: If the weights cannot fit into memory.
            OSError: If a file cannot be downloaded.

        Example:

        ```python
        import keras_gpt3

        model = keras_gpt3.GPT3.from_preset("gpt3_small_en", num_layers=2)
        ```
        """
        is_auto = isinstance(preprocessor, str) and preprocessor == "auto"
        is_layer = isinstance(preprocessor, keras.layers.Layer)
        if not (is_auto or is_layer or preprocessor is None):
            raise ValueError(
                "preprocessor must be a GPT3Preprocessor, None or 'auto'. "
                f"Received: preprocessor={echoed(preprocessor)}. Leave it out "
                "for the preset's own."
            )
        preset = resolve_preset(preset, load_weights)
        backbone = cls.backbone_cls.from_preset(
            preset, load_weights, dtype=dtype, **backbone_overrides
        )
        if is_auto:
            preprocessor = None
            if has_preprocessor(preset):
                preprocessor = cls.preprocessor_cls.from_preset(
                    preset, sequence_length=backbone.max_sequence_length
                )
        made = {"backbone": backbone, "preprocessor": preprocessor}
        ids = stored_token_ids(preset, backbone.vocabulary_size)
        if ids:  # A subclass of the user's own need not know of them.
            made["special_token_ids"] = ids
        if cls is GPT3:
            return cls(**made)
        return make_subclass(cls, preset, made, load_weights)

    def get_quantization_layer_structure(self, mode=None):
        # What modes gptq and awq calibrate is the backbone's.
        return self.backbone.get_quantization_layer_structure(mode)

    def quantize(self, mode=None, config=None, filters=None, **kwargs):
        # As `GPT3Backbone.quantize`, which documents it.
        mode = calibrated_mode(self.backbone, mode, config)
        with tables_left_alone(mode, filters):
            super().quantize(mode, config, filters, **kwargs)

    # === Saving ===

    def save_to_preset(self, preset_dir, max_shard_size=10):
        """Write a folder that `from_preset` loads, with a model card.

        A model that is there is replaced once the new one is whole; files of
        other kinds stay, and so does a card that its author edited.

        Args:
            preset_dir: string or path. The folder.
            max_shard_size: int or float. The most gigabytes in a file of
                weights. Defaults to `10`.

        Raises:
            FileExistsError: If the folder holds a checkpoint in Hugging Face's
                layout, which it would spoil.
            OSError: If a file cannot be written.
        """
        with preset_folder(preset_dir) as folder:
            super().save_to_preset(str(folder), max_shard_size=max_shard_size)
            write_model_card(self, folder)

    # === Export ===

    def export(self, filepath, format="tf_saved_model", **kwargs):
        """Write a version of a SavedModel, or a file for another runtime.

        With a preprocessor the SavedModel takes text in and gives text out; it
        needs neither this package nor Keras. `filepath` holds numbered
        versions, as TensorFlow Serving's base path does, and that server's
        config files. `keras_gpt3.export.export_saved_model` says what the
        signatures are, `export_model_file` what the files of ONNX, LiteRT and
        OpenVINO take and give.

        Args:
            filepath: string or path. The folder of the versions; for `"onnx"`,
                `"litert"` and `"openvino"` a file, `.onnx`, `.tflite` or
                `.xml`.
            format: string. Any but these and the default goes to Keras.
                Defaults to `"tf_saved_model"`.
            **kwargs: `version`, `name`, `base_path` and `verbose` of
                `export_saved_model`; `cache_length` and `verbose` of
                `export_model_file`.

        Returns:
            The folder of the version, `filepath/1` the first time, for
            `tf.saved_model.load`; or the file.

        Raises:
            ImportError: If a package of another format is not installed.
            NotImplementedError: If Keras runs on another backend than
                TensorFlow.
            ValueError: If the format cannot hold the model, or an option is
                not one of the format's.

        Example:

        ```python
        import keras_gpt3

        model = keras_gpt3.GPT3.from_preset("gpt3_small_en", num_layers=1)
        folder = model.export("exported")  # exported/1
        ```
        """
        if format == "tf_saved_model":
            from keras_gpt3.export import export_saved_model

            return export_saved_model(self, filepath, **kwargs)
        if format in ("onnx", "litert", "openvino"):
            from keras_gpt3.export import export_model_file

            unknown = sorted(set(kwargs) - {"cache_length", "verbose"})
            if unknown:
                raise ValueError(
                    f"The options of format={echoed(format)} must be among "
                    f"cache_length and verbose. Received: {unknown[0]}="
                    f"{echoed(kwargs[unknown[0]])}. Leave it out."
                )
            return export_model_file(self, filepath, format, **kwargs)
        return super().export(filepath, format=format, **kwargs)

    def export_to_transformers(
        self, path, overwrite=False, max_shard_size="5GB", verbose="auto"
    ):
        """Write a checkpoint that Hugging Face's transformers loads.

        Weights as safetensors, the config and, with a preprocessor, the
        tokenizer's files. The architecture is the first of GPT-2, GPT-Neo and
        OPT that has all the model's settings. Its logits are the same.

        GPT-3's banded layers are written as GPT-Neo's local ones, which lack
        biases of queries, keys and values and a scale: these are folded into
        the query kernel, the normalization before it and the output's bias.

        Args:
            path: string or path. A folder that does not exist or is empty.
            overwrite: bool. Whether to replace a checkpoint that is there, of
                which other files stay. Defaults to `False`.
            max_shard_size: string or int. The size of a file of weights, which
                one tensor alone may exceed. Defaults to `"5GB"`.
            verbose: `"auto"` or bool. Whether to show progress; `"auto"` does
                on a terminal. Defaults to `"auto"`.

        Raises:
            ImportError: If safetensors is not installed.
            OSError: If there is something at `path` already, or it cannot be
                written.
            ValueError: If none of the architectures has the model's settings,
                such as normalizations after banded layers; if a bias cannot be
                folded within float32's precision, for a query kernel is nearly
                singular or weights have 16 bits; for quantized weights.

        Example:

        ```python
        import keras_gpt3

        model = keras_gpt3.GPT3.from_preset(
            "gpt3_small_en", num_layers=2, attention_window=64
        )
        model.export_to_transformers("checkpoint")  # A GPT-Neo.
        same = keras_gpt3.GPT3.from_preset("checkpoint")
        ```
        """
        from keras_gpt3.models.presets.checkpoint_export import (
            export_to_transformers,
        )

        export_to_transformers(self, path, overwrite, max_shard_size, verbose)


def _special_token_ids(backbone, ids):
    """The ids that are given, those that end texts as a tuple; checked."""
    known = {}
    for name, value in (ids or {}).items():
        is_end = name == "eos_token_id"
        is_many = is_end and isinstance(value, (list, tuple))
        values = list(value) if is_many else [value]
        if name not in ("bos_token_id", "eos_token_id", "pad_token_id") or any(
            isinstance(one, bool)
            or not isinstance(one, numbers.Integral)
            or not 0 <= one < backbone.vocabulary_size
            for one in values
        ):
            raise ValueError(
                "special_token_ids must map bos_token_id, eos_token_id and "
                "pad_token_id to ids below vocabulary_size="
                f"{backbone.vocabulary_size}. Received: special_token_ids="
                f"{echoed(ids)}. Leave out what there is not."
            )
        if values:
            values = tuple(map(int, values))
            known[name] = values if is_end else values[0]
    return known


def _check_preprocessor(backbone, preprocessor):
    """Raise if the preprocessor can give what the backbone cannot take."""
    if not isinstance(preprocessor, GPT3Preprocessor):
        return
    check_sequence_length(
        preprocessor.sequence_length, backbone.max_sequence_length
    )
    tokenizer = preprocessor.tokenizer
    # While a saved model loads, its tokenizer has no vocabulary yet.
    if tokenizer.vocabulary is None:
        return
    if tokenizer.vocabulary_size() > backbone.vocabulary_size:
        raise ValueError(
            "vocabulary_size must be at least the tokenizer's "
            f"{tokenizer.vocabulary_size()}. Received: vocabulary_size="
            f"{backbone.vocabulary_size}. Enlarge the backbone's vocabulary, "
            "or pass preprocessor=None."
        )
