"""One block of the decoder: attention, then feed-forward."""

import contextvars
import functools
import inspect

import keras
from keras import ops

from keras_gpt3.argument_checks import echoed
from keras_gpt3.layers import initializers
from keras_gpt3.layers.block_pattern import ATTENTION_KINDS
from keras_gpt3.layers.block_pattern import check_heads
from keras_gpt3.layers.block_pattern import visible_window
from keras_gpt3.layers.initializers import normal_initializer
from keras_gpt3.layers.layer_norm import LayerNorm
from keras_gpt3.layers.quantized_layers import Dense
from keras_gpt3.layers.quantized_layers import floats_made
from keras_gpt3.layers.quantized_layers import quantized_as
from keras_gpt3.layers.quantized_layers import quantized_policy
from keras_gpt3.ops.activations import get_activation
from keras_gpt3.ops.attention.attention import attend
from keras_gpt3.ops.attention.attention_shapes import check_window
from keras_gpt3.ops.attention.cached_attention import fill_ring
from keras_gpt3.ops.attention.cached_attention import ring_attention
from keras_gpt3.ops.attention.cached_attention import ring_size
from keras_gpt3.ops.op_compilation import has_gpu
from keras_gpt3.ops.row_product import is_few_rows
from keras_gpt3.ops.row_product import row_product

# A function of a block that trains and its input, which returns the input: a
# step on several devices has the block's weights wait for it.
before_block = contextvars.ContextVar("before_block", default=None)


def run_blocks(
    blocks,
    x,
    padding_mask=None,
    segment_ids=None,
    cache=None,
    cache_index=None,
    cache_end=None,
    cache_length=None,
    training=None,
):
    """States (B, T, M) through consecutive blocks, and their new cache.

    Models run all of their blocks at once, a pipeline those of a stage.
    """
    if cache is None and cache_length is None:
        for block in blocks:
            x = block(
                x,
                padding_mask=padding_mask,
                segment_ids=segment_ids,
                training=training,
            )
        return x, None
    new_cache = []
    for i, block in enumerate(blocks):
        x, block_cache = block(
            x,
            cache=None if cache is None else cache[i],
            cache_index=cache_index,
            cache_end=cache_end,
            cache_length=cache_length,
        )
        new_cache.append(block_cache)
    return x, new_cache


def _run_once(function):
    return function


def _run_again(function):
    """A part of a block that keeps its inputs alone for the gradients."""
    # A function of its own: JAX may keep what it traced of a method.
    return keras.remat(functools.partial(function))


@keras.saving.register_keras_serializable(package="keras_gpt3")
class DecoderBlock(keras.layers.Layer):
    """A pre-normalized GPT-3 decoder block (section 2.1 of the paper).

    `x + attention(norm(x))`, then `x + feed_forward(norm(x))`. The attention
    is dense causal or locally banded; every kernel belongs to a Keras
    sublayer, so that `quantize()` and `enable_lora()` reach it. The switches
    after `residual_deviation` are those of GPT-3's public relatives.

    The columns of `query_key_value` go by head: query, key and value of head
    0, then of head 1, and so on, so that equal shares of them are whole heads.

    Args:
        num_heads: int. Number of attention heads.
        intermediate_dim: int. Width of the feed-forward layer.
        attention: string. `"dense"` or `"banded"`. Defaults to `"dense"`.
        attention_window: int. Number of keys that a banded query sees, its own
            included; ignored by dense attention. Defaults to `256`.
        activation: string. A name of `keras_gpt3.ops.get_activation`. Defaults
            to `"gelu_approximate"`.
        layer_norm_epsilon: float. Defaults to `1e-5`.
        dropout: float. Rate on both residual branches; the paper mentions
            none. Defaults to `0.0`.
        residual_deviation: float. Standard deviation of the initial kernels
            that end on the residual stream. Defaults to `0.02`.
        use_bias: bool. Whether the dense sublayers have biases. Defaults to
            `True`.
        query_key_value_bias: bool. Whether that of queries, keys and values
            has one, where the others do. Defaults to `True`.
        norm_first: bool. `False` normalizes after each addition instead:
            `norm(x + attention(x))`. Defaults to `True`.
        layer_norm_affine: bool. Whether the normalizations have a scale and an
            offset. Defaults to `True`.
        attention_scale: float. Factor on the attention scores. Defaults to
            `None`, `1 / sqrt(head_dim)`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        hidden_states: tensor of shape `(batch, length, hidden_dim)`.
        padding_mask: Optional. Bool tensor of shape `(batch, length)`, True
            where the position is visible. Not used with a cache.
        segment_ids: Optional. Int tensor of shape `(batch, length)`, equal
            where positions may see each other. Not used with a cache.
        cache: Optional. A pair of rings of keys and values of the earlier
            positions, each of shape `(batch, num_heads, slots, head_dim)`, or
            three entries as `GPT3Backbone.call_with_cache` takes them; see
            `keras_gpt3.ops.attention.cached_attention`.
        cache_index: Optional. With `cache`, the position of the first of
            `hidden_states`.
        cache_end: Optional. The position after the last that counts: later
            ones are not cached. With `cache`, only where each row has its own,
            of shape `(batch,)`.
        cache_length: Optional. Makes a cache for so many positions, after
            `hidden_states` from position 0 on.

    Returns:
        A tensor of the shape of `hidden_states`; with `cache` or
        `cache_length` a pair of it and the cache after them.

    Raises:
        ValueError: If `attention` is unknown, `attention_window` is below 1,
            or `num_heads` does not divide the width.

    Example:

    ```python
    import numpy as np
    import keras_gpt3

    block = keras_gpt3.layers.DecoderBlock(
        num_heads=2, intermediate_dim=64, attention="banded", attention_window=4
    )
    y = block(np.ones((1, 10, 16), "float32"))  # (1, 10, 16)
    ```
    """

    def __init__(
        self,
        num_heads,
        intermediate_dim,
        attention="dense",
        attention_window=256,
        activation="gelu_approximate",
        layer_norm_epsilon=1e-5,
        dropout=0.0,
        residual_deviation=initializers.KERNEL,
        use_bias=True,
        query_key_value_bias=True,
        norm_first=True,
        layer_norm_affine=True,
        attention_scale=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if attention not in ATTENTION_KINDS:
            raise ValueError(
                f"attention must be one of {ATTENTION_KINDS}. Received: "
                f"attention={echoed(attention)}. Use 'dense' to see every "
                "earlier key, 'banded' for the last attention_window keys."
            )
        check_window(attention_window, "attention_window")
        if num_heads < 1:
            raise ValueError(
                "num_heads must be at least 1. Received: num_heads="
                f"{num_heads}. Use a divisor of the width."
            )
        self.num_heads = num_heads
        self.intermediate_dim = intermediate_dim
        self.attention = attention
        self.attention_window = attention_window
        self.activation = activation
        self.layer_norm_epsilon = layer_norm_epsilon
        self.dropout = dropout
        self.residual_deviation = residual_deviation
        self.use_bias = use_bias
        self.query_key_value_bias = query_key_value_bias
        self.norm_first = norm_first
        self.layer_norm_affine = layer_norm_affine
        self.attention_scale = attention_scale
        self._activate = get_activation(activation)
        # Set by `GPT3Backbone.rematerialize`: how to train, not what to be.
        self.rematerialized = False
        # A callable where blocks lie on several devices; see `GPT3.compile`.
        self.device_scope = None

    @property
    def window(self):
        """The keys that a query sees; see `visible_window`."""
        return visible_window(self.attention, self.attention_window)

    # Keras passes the shapes of several inputs by these names.
    def build(
        self,
        hidden_states_shape,
        padding_mask_shape=None,
        segment_ids_shape=None,
    ):
        hidden_dim = hidden_states_shape[-1]
        check_heads(hidden_dim, self.num_heads)
        hidden = (None, None, hidden_dim)
        residual = self.residual_deviation

        self.attention_norm = self._norm("attention_norm", hidden)
        self.query_key_value = self._dense(
            "query_key_value",
            hidden,
            3 * hidden_dim,
            has_bias=self.query_key_value_bias,
        )
        self.attention_output = self._dense(
            "attention_output", hidden, hidden_dim, residual
        )
        self.feed_forward_norm = self._norm("feed_forward_norm", hidden)
        self.feed_forward_intermediate = self._dense(
            "feed_forward_intermediate", hidden, self.intermediate_dim
        )
        self.feed_forward_output = self._dense(
            "feed_forward_output",
            (None, None, self.intermediate_dim),
            hidden_dim,
            residual,
        )
        self.residual_dropout = RepeatableDropout(
            self.dropout, dtype=self.dtype_policy, name="residual_dropout"
        )
        self.built = True

    def __call__(self, *args, **kwargs):
        if self.device_scope is None:
            return super().__call__(*args, **kwargs)
        with self.device_scope():
            return super().__call__(*args, **kwargs)

    def call(
        self,
        hidden_states,
        padding_mask=None,
        segment_ids=None,
        cache=None,
        cache_index=None,
        cache_end=None,
        cache_length=None,
        training=None,
    ):
        x = hidden_states  # (B, T, M)
        if cache is not None or cache_length is not None:
            return self._transform(
                x,
                cache=cache,
                cache_bounds=(cache_index, cache_end),
                cache_length=cache_length,
            )
        transform = functools.partial(
            self._transform,
            padding_mask=padding_mask,
            segment_ids=segment_ids,
            training=training,
        )
        if training:
            if before_block.get() is not None:
                x = before_block.get()(self, x)
            # Before anything that may run twice.
            seeds = tuple(self.residual_dropout.draw_seed() for _ in range(2))
            transform = functools.partial(transform, seeds=seeds)
            if self.rematerialized:
                transform = keras.remat(transform)
            else:
                transform = functools.partial(transform, recompute=_run_again)
        return transform(x)

    def _transform(
        self,
        x,
        padding_mask=None,
        segment_ids=None,
        cache=None,
        cache_bounds=None,
        cache_length=None,
        training=None,
        seeds=(None, None),
        recompute=_run_once,
    ):
        """`x + attention(norm(x))`, then `x + feed_forward(norm(x))`.

        What `recompute` makes of a part runs again for the gradients: norms and
        activation are a third of the arrays, and cost no matrix product. On a
        GPU the sum after attention does as well, for one more matrix product:
        memory, not arithmetic, limits the batch there.
        """
        projected = recompute(self._project)(x)  # (B, T, 3 M)
        attended, cache = self._attend(
            projected,
            (padding_mask, segment_ids),
            cache,
            cache_bounds,
            cache_length,
        )
        add = functools.partial(
            self._add_attention, seed=seeds[0], training=training
        )
        if has_gpu():
            x, wide = recompute(lambda *x: self._widen(add(*x)))(x, attended)
        else:
            x, wide = recompute(self._widen)(add(x, attended))
        branch = recompute(self._narrow)(wide)  # (B, T, M)
        x = self._add(x, branch, self.feed_forward_norm, seeds[1], training)
        return x if cache is None else (x, cache)

    def _project(self, x):  # (B, T, M) -> (B, T, 3 M)
        x = self.attention_norm(x) if self.norm_first else x
        return _apply(self.query_key_value, x)

    def _add_attention(self, x, attended, seed, training):
        branch = _apply(self.attention_output, attended)  # (B, T, M)
        return self._add(x, branch, self.attention_norm, seed, training)

    def _widen(self, x):  # (B, T, M) -> itself, and (B, T, I)
        normed = self.feed_forward_norm(x) if self.norm_first else x
        return x, _apply(self.feed_forward_intermediate, normed)

    def _narrow(self, wide):  # (B, T, I) -> (B, T, M)
        return _apply(self.feed_forward_output, self._activate(wide))

    def _add(self, x, branch, norm, seed, training):
        x = x + self.residual_dropout(branch, seed, training=training)
        return x if self.norm_first else norm(x)

    def _attend(self, projected, masks, cache, cache_bounds, cache_length):
        """Attention up to its output projection, and the cache after it."""
        batch, length = ops.shape(projected)[0], ops.shape(projected)[1]
        width = projected.shape[-1] // 3
        heads = (batch, length, self.num_heads, 3 * width // self.num_heads)
        # (B, T, 3 M) -> (B, T, H, 3 D) -> three of (B, T, H, D)
        query, key, value = ops.split(ops.reshape(projected, heads), 3, axis=-1)
        window, scale = self.window, self.attention_scale
        if cache is not None:
            attended, cache = ring_attention(
                query, key, value, cache, *cache_bounds, window, scale
            )
        else:
            attended = attend(query, key, value, window, scale, *masks)
            if cache_length is not None:
                size = ring_size(cache_length, window)
                cache = tuple(
                    fill_ring(x, size, cache_bounds[1]) for x in (key, value)
                )
        # (B, T, H, D) -> (B, T, M)
        return ops.reshape(attended, (batch, length, width)), cache

    def _dense(
        self,
        name,
        input_shape,
        units,
        deviation=initializers.KERNEL,
        has_bias=True,
    ):
        """A built Dense sublayer with a normal kernel and a zero bias."""
        layer = Dense(
            units,
            use_bias=self.use_bias and has_bias,
            kernel_initializer=normal_initializer(deviation),
            name=name,
            **quantized_as(self.dtype_policy, f"{self.name}/{name}"),
        )
        layer.build(input_shape)
        return layer

    def _norm(self, name, input_shape):
        """A built layer normalization over the width."""
        layer = LayerNorm(
            epsilon=self.layer_norm_epsilon,
            scale=self.layer_norm_affine,
            center=self.layer_norm_affine,
            dtype=self.dtype_policy,
            name=name,
        )
        layer.build(input_shape)
        return layer

    def compute_output_shape(self, hidden_states_shape):
        # Spares Keras a trace of the whole block for each layer of the model.
        return hidden_states_shape

    def get_config(self):
        own = {name: getattr(self, name) for name in self.arguments()}
        own["dtype"] = keras.dtype_policies.serialize(quantized_policy(self))
        return super().get_config() | own

    @classmethod
    def arguments(cls):
        """List the block's own arguments.

        Returns:
            A list of names.
        """
        parameters = inspect.signature(DecoderBlock.__init__).parameters
        return [name for name in parameters if name not in ("self", "kwargs")]


def _apply(dense, x):
    """A dense sublayer, by the quicker product where few rows are decoded."""
    mode = dense.quantization_mode
    if not getattr(dense, f"is_{mode}_calibrated", True):
        # Keras calibrates by what reaches `call`, and itself passes by it.
        return dense.call(x)
    kernel = floats_made(dense)
    if is_few_rows(x):
        kernel = dense.float_weights()
        if kernel is not None:
            return row_product(x, kernel, dense.bias)
    if kernel is None:
        return dense(x)
    product = ops.matmul(x, ops.cast(kernel, x.dtype))
    if dense.bias is None:
        return product
    return product + ops.cast(dense.bias, x.dtype)


@keras.saving.register_keras_serializable(package="keras_gpt3")
class RepeatableDropout(keras.layers.Dropout):
    """`keras.layers.Dropout` whose seed can be drawn before its mask.

    A rematerialized block runs twice. Keras' layer would draw a new mask the
    second time, so that the gradients belonged to another network.
    """

    def draw_seed(self):
        """Draw the seed of one mask; `None` where nothing is dropped."""
        return self.seed_generator.next() if self.rate > 0 else None

    def call(self, inputs, seed=None, training=False):
        if seed is None or not training:
            return super().call(inputs, training=training)
        return keras.random.dropout(
            inputs, self.rate, noise_shape=self.noise_shape, seed=_Drawn(seed)
        )


class _Drawn(keras.random.SeedGenerator):
    """A generator of one seed, always the same: Keras takes no tensor."""

    def __init__(self, seed):
        self._drawn = seed

    def next(self, ordered=True):
        return self._drawn
