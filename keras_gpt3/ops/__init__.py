"""Free functions of tensors: the arithmetic of GPT-3, on `keras.ops` alone.

Read `attention/`, then `chunked_cross_entropy`; then how they are compiled,
from `op_compilation` on.
"""

from keras_gpt3.ops.activations import gelu_approximate
from keras_gpt3.ops.activations import get_activation
from keras_gpt3.ops.attention.attention import banded_attention
from keras_gpt3.ops.attention.attention import causal_attention
from keras_gpt3.ops.attention.attention_shapes import masked_softmax
from keras_gpt3.ops.attention.cached_attention import cached_attention
from keras_gpt3.ops.attention.fused_attention import set_fused_attention
from keras_gpt3.ops.chunked_cross_entropy import chunked_cross_entropy
from keras_gpt3.ops.layer_normalization import layer_normalization
from keras_gpt3.ops.log_probabilities import token_cross_entropy
from keras_gpt3.ops.log_probabilities import token_log_probabilities
from keras_gpt3.ops.op_compilation import op_compilation
from keras_gpt3.ops.sequence_checks import check_token_ids

__all__ = [
    "banded_attention",
    "cached_attention",
    "causal_attention",
    "check_token_ids",
    "chunked_cross_entropy",
    "gelu_approximate",
    "get_activation",
    "layer_normalization",
    "masked_softmax",
    "op_compilation",
    "set_fused_attention",
    "token_cross_entropy",
    "token_log_probabilities",
]
