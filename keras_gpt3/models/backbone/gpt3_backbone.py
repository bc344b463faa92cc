"""GPT-3's decoder: what it is made of, and how it is configured."""

import keras
from keras import ops

from keras_gpt3.argument_checks import echoed
from keras_gpt3.layers.block_pattern import rematerialized_layers
from keras_gpt3.layers.quantized_layers import CALIBRATED_MODES
from keras_gpt3.layers.quantized_layers import quantized_policy
from keras_gpt3.layers.quantized_layers import tables_left_alone
from keras_gpt3.models.backbone.backbone_forward import embed
from keras_gpt3.models.backbone.backbone_forward import forward
from keras_gpt3.models.backbone.backbone_layers import check_backbone_arguments
from keras_gpt3.models.backbone.backbone_layers import make_layers
from keras_gpt3.models.backbone.cached_backbone import CachedBackbone
from keras_gpt3.models.presets.preset_registry import known_presets
from keras_gpt3.models.presets.preset_resolution import check_known_arguments
from keras_gpt3.models.presets.preset_resolution import load_backbone
from keras_gpt3.ops.sequence_checks import check_segments_shape
from keras_gpt3.parallel.layout_map import make_layout_map
from keras_gpt3.preset_loader import BACKBONE_KEYS
from keras_gpt3.preset_loader import VARIANT_DEFAULTS


@keras.saving.register_keras_serializable(package="keras_gpt3")
class GPT3Backbone(CachedBackbone):
    """The GPT-3 decoder with alternating dense and banded attention.

    Section 2.1 of Brown et al. 2020: GPT-2's pre-normalized decoder with
    learned positions and the tanh form of GELU, "except that we use
    alternating dense and locally banded sparse attention patterns". The paper
    gives neither the width of the band nor which layers are banded; the
    defaults are those of GPT-Neo, the public replication: 256 keys, dense
    first. The default size is GPT-3 Small (Table 2.1).

    The arguments from `embedding_dim` on switch to what GPT-3's public
    relatives do otherwise: GPT-2, Cerebras-GPT, GPT-Neo and OPT, whose
    checkpoints `from_preset` loads. Their defaults are GPT-3.

    Args:
        vocabulary_size: int. Number of token ids. Defaults to `50257`.
        num_layers: int. Number of decoder blocks. Defaults to `12`.
        num_heads: int. Number of attention heads. Defaults to `12`.
        hidden_dim: int. Width of the model. Defaults to `768`.
        intermediate_dim: int. Width of the feed-forward layers. Defaults to
            `3072`.
        dropout: float. Rate on the embeddings and the residual branches.
            Defaults to `0.0`; the paper mentions none.
        max_sequence_length: int. The context, in tokens. Defaults to `2048`.
        attention_pattern: sequence of `"dense"` and `"banded"`, repeated over
            the depth. Defaults to `("dense", "banded")`.
        attention_window: int. Number of keys that a query of a banded layer
            sees, its own included. Defaults to `256`.
        layer_norm_epsilon: float. Defaults to `1e-5`.
        activation: string. A name of `keras_gpt3.ops.get_activation`. Defaults
            to `"gelu_approximate"`.
        embedding_dim: int. Width of the token embedding where it differs from
            `hidden_dim`; projections without bias then lead from one to the
            other and, before the output head, back. Defaults to `None`.
        use_bias: bool. Whether the dense layers of the blocks have biases.
            Defaults to `True`.
        query_key_value_bias: bool. Whether those of queries, keys and values
            have them, where the others do. Defaults to `True`.
        norm_first: bool. `False` normalizes after each residual addition, not
            before each layer. Defaults to `True`.
        use_final_norm: bool. Whether to normalize after the last block.
            Defaults to `True`.
        layer_norm_affine: bool. Whether the normalizations have a scale and an
            offset. Defaults to `True`.
        attention_scale: float. Factor on the attention scores. Defaults to
            `None`, `1 / sqrt(head_dim)`.
        scale_by_inverse_layer_index: bool. Whether block `i`, counted from 0,
            divides its scores by `i + 1` as well. Defaults to `False`.
        position_offset: int. Rows of the position table before that of
            position 0. Defaults to `0`.
        skip_padding_positions: bool. Whether padding takes no position: a
            token's is the number of tokens before it. Defaults to `False`.
        dtype: string or `keras.DTypePolicy`. Such as `"mixed_bfloat16"`. The
            softmax is float32 under every policy. Defaults to `None`, Keras'
            global policy.
        **kwargs: Keyword arguments of `keras.Model`: `name`, `trainable`.

    Call arguments:
        inputs: dict of `"token_ids"`, an int tensor of shape
            `(batch, length)`, and `"padding_mask"`, a bool tensor of the same
            shape, True where there is a token. If there is `"segment_ids"`, an
            int tensor of the same shape with another id for each document of a
            row, tokens see and count only those of their own document.

    Returns:
        A tensor of shape `(batch, length, hidden_dim)`, after the final layer
        normalization; of width `embedding_dim` where that is given.

    Raises:
        ValueError: If an argument is out of its range, or a sequence is longer
            than `max_sequence_length`.

    Example:

    ```python
    import numpy as np
    import keras_gpt3

    backbone = keras_gpt3.GPT3Backbone(
        vocabulary_size=100,
        num_layers=2,
        num_heads=2,
        hidden_dim=16,
        intermediate_dim=64,
        max_sequence_length=32,
        attention_window=8,
    )
    inputs = {
        "token_ids": np.ones((1, 12), "int32"),
        "padding_mask": np.ones((1, 12), "bool"),
    }
    hidden_states = backbone(inputs)  # (1, 12, 16)
    ```
    """

    presets = known_presets

    def __init__(
        self,
        vocabulary_size=50257,
        num_layers=12,
        num_heads=12,
        hidden_dim=768,
        intermediate_dim=3072,
        dropout=0.0,
        max_sequence_length=2048,
        attention_pattern=("dense", "banded"),
        attention_window=256,
        layer_norm_epsilon=1e-5,
        activation="gelu_approximate",
        embedding_dim=None,
        use_bias=True,
        query_key_value_bias=True,
        norm_first=True,
        use_final_norm=True,
        layer_norm_affine=True,
        attention_scale=None,
        scale_by_inverse_layer_index=False,
        position_offset=0,
        skip_padding_positions=False,
        dtype=None,
        **kwargs,
    ):
        check_known_arguments(type(self), kwargs)
        config = {
            "vocabulary_size": vocabulary_size,
            "num_layers": num_layers,
            "num_heads": num_heads,
            "hidden_dim": hidden_dim,
            "intermediate_dim": intermediate_dim,
            "dropout": dropout,
            "max_sequence_length": max_sequence_length,
            "attention_pattern": attention_pattern,
            "attention_window": attention_window,
            "layer_norm_epsilon": layer_norm_epsilon,
            "activation": activation,
            "embedding_dim": embedding_dim,
            "use_bias": use_bias,
            "query_key_value_bias": query_key_value_bias,
            "norm_first": norm_first,
            "use_final_norm": use_final_norm,
            "layer_norm_affine": layer_norm_affine,
            "attention_scale": attention_scale,
            "scale_by_inverse_layer_index": scale_by_inverse_layer_index,
            "position_offset": position_offset,
            "skip_padding_positions": skip_padding_positions,
        }
        check_backbone_arguments(config)
        config["attention_pattern"] = tuple(attention_pattern)

        # === Layers ===
        layers = make_layers(config, dtype)

        # === Functional Model ===
        inputs = {
            "token_ids": keras.Input((None,), dtype="int32", name="token_ids"),
            "padding_mask": keras.Input(
                (None,), dtype="bool", name="padding_mask"
            ),
        }
        hidden_states, _ = forward(layers, **inputs)
        super().__init__(
            inputs=inputs, outputs=hidden_states, dtype=dtype, **kwargs
        )

        # === Config ===
        for name, value in (vars(layers) | config).items():
            setattr(self, name, value)

    def call(self, inputs, training=None, mask=None):
        # Not an input of the functional model, not even an optional one: Keras
        # would mistake the others where its key is absent.
        if not has_segments(inputs):
            return super().call(inputs, training=training, mask=mask)
        dtypes = {"padding_mask": "bool"}
        tensors = {
            name: ops.convert_to_tensor(x, dtype=dtypes.get(name, "int32"))
            for name, x in inputs.items()
        }
        check_segments_shape(tensors["segment_ids"], tensors["token_ids"])
        return forward(self, **tensors, training=training)[0]

    def compute_output_spec(self, inputs, training=None, mask=None):
        inputs = without_segments(inputs)
        return super().compute_output_spec(inputs, training, mask)

    def rematerialize(self, policy):
        """Choose the blocks that run forward again in the backward pass.

        `GPT3.compile(rematerialization=...)` calls it. Results do not change.

        Args:
            policy: string or int. `"none"`, `"block"`, or `k` for every
                `k`-th block.

        Raises:
            ValueError: If the policy is unknown.
        """
        chosen = rematerialized_layers(policy, self.num_layers)
        for block, rematerialized in zip(
            self.decoder_blocks, chosen, strict=True
        ):
            block.rematerialized = rematerialized

    def count_params(self):
        """Count the weights, without rows that pad the token embedding.

        Returns:
            An int.
        """
        table = self.token_embedding
        hidden = getattr(table, "num_rows", table.input_dim) - table.input_dim
        return super().count_params() - hidden * table.output_dim

    def get_quantization_layer_structure(self, mode=None):
        """Return what `quantize` calibrates in modes gptq and awq.

        Args:
            mode: string. The mode of quantization. Defaults to `None`.

        Returns:
            A dict of a model that leads from ids to the first block, and the
            blocks, or `None` for other modes.
        """
        if mode not in CALIBRATED_MODES:
            return None
        token_ids = keras.Input((None,), dtype="int32")
        return {
            "pre_block_layers": [
                keras.Model(token_ids, embed(self, token_ids))
            ],
            "sequential_blocks": self.decoder_blocks,
        }

    def quantize(self, mode=None, config=None, filters=None, **kwargs):
        """Store the weights in few bits, once and for all.

        Modes int8 and int4 reach the kernels of the blocks and the tables of
        tokens and positions; gptq (Frantar et al. 2022) and awq (Lin et al.
        2023), which choose the weights by what texts send through a layer, and
        float8 reach the kernels alone. Call it again with other `filters` to
        store some layers otherwise. What is saved comes back bit for bit.

        Args:
            mode: string. `"int8"`, `"int4"`, `"float8"`, `"gptq"` or `"awq"`.
                `"int8"` rounds what reaches a layer as well. Defaults to
                `None`, that of `config`.
            config: `keras.quantizers.QuantizationConfig`. With texts to
                calibrate with, and a tokenizer, in modes gptq and awq.
                Defaults to `None`.
            filters: string, list of strings or callable. Regular expressions
                that the names of the chosen layers match, or a function of a
                layer. Defaults to `None`, all.
            **kwargs: Keyword arguments of `keras.Model.quantize`.

        Raises:
            ValueError: If what calibration needs is missing; the model is then
                as it was.

        Example:

        ```python
        import keras
        import keras_gpt3

        backbone = keras_gpt3.GPT3Backbone(
            vocabulary_size=100,
            num_layers=1,
            num_heads=2,
            hidden_dim=16,
            intermediate_dim=64,
            max_sequence_length=32,
        )
        weights_alone = keras.quantizers.Int8QuantizationConfig(
            activation_quantizer=None
        )
        backbone.quantize(config=weights_alone, filters="embedding$|table")
        backbone.quantize("int4", filters="feed_forward_(intermediate|output)")
        ```
        """
        mode = calibrated_mode(self, mode, config)
        with tables_left_alone(mode, filters):
            super().quantize(mode, config, filters, **kwargs)

    @staticmethod
    def get_layout_map(
        device_mesh,
        data_parallel_dim_name="batch",
        model_parallel_dim_name="model",
        shard_optimizer=False,
        shard_weights=False,
    ):
        """Make a layout map that splits each matrix product over devices.

        The paper's "model parallelism within each matrix multiply" (section
        2.3), in the manner of Megatron-LM (Shoeybi et al. 2019): attention by
        heads, the feed-forward layer by columns, then rows, the token
        embedding and the loss by rows of the vocabulary. Where the devices do
        not divide the vocabulary, the embedding has a few more rows, of zeros.
        For the JAX backend; set the distribution before the model is made.

        Args:
            device_mesh: `keras.distribution.DeviceMesh` with both axes.
            data_parallel_dim_name: string. The axis of the mesh over which
                batches are split. Defaults to `"batch"`.
            model_parallel_dim_name: string. The axis over which weights are
                split; its size must divide `num_heads` and `intermediate_dim`.
                Defaults to `"model"`.
            shard_optimizer: bool. Whether the optimizer's slots are split over
                the batch axis as well: the first stage of ZeRO (Rajbhandari et
                al. 2020). Defaults to `False`.
            shard_weights: bool. Whether the weights, and with them gradients
                and slots, are as well; each is gathered where it is used.
                Defaults to `False`.

        Returns:
            A `keras.distribution.LayoutMap`.

        Raises:
            NotImplementedError: If Keras runs on another backend than JAX.
            ValueError: If the mesh has no such axes, or both are the same.

        Example:

        ```python
        import keras
        import keras_gpt3

        if keras.config.backend() == "jax":
            devices = keras.distribution.list_devices()
            mesh = keras.distribution.DeviceMesh(
                (1, len(devices)), ("batch", "model"), devices
            )
            layout_map = keras_gpt3.GPT3Backbone.get_layout_map(mesh)
            distribution = keras.distribution.ModelParallel(
                layout_map=layout_map, batch_dim_name="batch"
            )
        ```
        """
        return make_layout_map(
            device_mesh,
            data_parallel_dim_name,
            model_parallel_dim_name,
            shard_optimizer,
            shard_weights,
        )

    @classmethod
    def from_preset(cls, preset, load_weights=None, **kwargs):
        """Build a backbone from a shipped preset, a saved one or a checkpoint.

        Args:
            preset: string. A name of `GPT3Backbone.presets`, a folder that
                `save_to_preset` or transformers wrote, or a handle that begins
                with `"hf://"` or `"kaggle://"`.
            load_weights: bool. `None` loads whatever weights there are: a
                shipped preset has none, a checkpoint must have some. Defaults
                to `None`.
            **kwargs: Overrides of constructor arguments, and `dtype`.

        Returns:
            A `GPT3Backbone`.

        Raises:
            ValueError: If the preset or an override is unknown, if weights are
                asked of a shipped preset, or an override changes the shape of
                a stored weight.
            MemoryError: If the weights cannot fit into memory.
        """
        return load_backbone(cls, preset, load_weights, kwargs)

    def get_config(self):
        # Not the parent's, which takes the dtype of quantized layers away:
        # from what it returns, and from the layers.
        keys = ("name", "trainable", *BACKBONE_KEYS, *VARIANT_DEFAULTS)
        policy = keras.dtype_policies.serialize(quantized_policy(self))
        return {name: getattr(self, name) for name in keys} | {"dtype": policy}


def has_segments(inputs):
    """Whether the inputs of a model say which document a token is of."""
    return isinstance(inputs, dict) and "segment_ids" in inputs


def without_segments(inputs):
    """The inputs that the functional model knows."""
    if not has_segments(inputs):
        return inputs
    return {k: x for k, x in inputs.items() if k != "segment_ids"}


def calibrated_mode(backbone, mode, config):
    """The mode to quantize in, checked before Keras converts the first layer.

    Keras itself calibrates only where the mode is given beside its config.
    """
    mode = mode or getattr(config, "mode", None)
    if mode not in CALIBRATED_MODES or getattr(config, "mode", "") != mode:
        return mode  # Keras refuses what is wrong of others at once.
    for name in ("dataset", "tokenizer"):
        given = getattr(config, name)
        is_text = name == "dataset" and isinstance(given, (str, bytes))
        if given is None or is_text:
            raise ValueError(
                f"A config for {mode} must have a {name} to calibrate with. "
                f"Received: {name}={echoed(given)}. Pass a list of texts as "
                "dataset, and model.preprocessor.tokenizer as tokenizer."
            )
    if config.sequence_length > backbone.max_sequence_length:
        raise ValueError(
            "sequence_length must be at most max_sequence_length="
            f"{backbone.max_sequence_length} to calibrate. Received: "
            f"sequence_length={config.sequence_length}. Make the config with "
            "a lower one."
        )
    if mode == "gptq" and backbone.variable_dtype != "float32":
        # Keras' arithmetic of the correction mixes both types.
        raise ValueError(
            "Weights must be float32 to quantize in mode gptq. Received: "
            f"dtype={backbone.dtype_policy.name}. Load the model with "
            "dtype='mixed_bfloat16', or use awq."
        )
    if backbone.embedding_projection is not None:
        raise ValueError(
            f"embedding_dim must be None to quantize in mode {mode}: what "
            "projects the embedding is in no block. Received: embedding_dim="
            f"{backbone.embedding_dim}. Use int8 or int4."
        )
    return mode
