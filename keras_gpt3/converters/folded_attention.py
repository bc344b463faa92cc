"""GPT-3's attention in weights that GPT-Neo has: no scale, no q, k, v biases.

A key bias adds the same to all scores of a query, and cancels in the softmax.
With an offset d of the normalized states that solves d Wq = bq, the query
kernel gives the query bias. Keys then shift by d Wk, which cancels as well, and
values by d Wv - bv, which the output bias takes back, as attention's weights
sum to 1. The scale goes into Wq.
"""

import math

import numpy as np

from keras_gpt3.converters.checkpoint_family import complete_arguments
from keras_gpt3.converters.weight_shapes import weight_shapes

# Eight times float32's own: so far, logits of up to 10 differed by 1e-5, beyond
# it by more.
_LARGEST_ERROR = 1e-6
# The weights of a block that change, and the methods that make them.
_FOLDS = {
    "attention_norm/beta": "_folded_beta",
    "query_key_value/kernel": "_folded_kernel",
    "attention_output/bias": "_folded_bias",
}


def folded_arguments(arguments):
    """The backbone that computes the same with folded weights."""
    return complete_arguments(arguments) | {
        "attention_scale": 1.0,
        "scale_by_inverse_layer_index": False,
        "use_bias": True,
        "query_key_value_bias": False,
        "layer_norm_affine": True,
    }


class FoldedWeights:
    """The weights of a backbone, by path, as GPT-Neo takes them.

    `read(path)` gives the backbone's own as numpy arrays; what is written has
    the same `dtypes`, a dict by path, or float32. The offsets are solved for,
    and checked, when this is made, the rest when it is asked for.
    """

    def __init__(self, arguments, read, dtypes=None):
        self._arguments = complete_arguments(arguments)
        self.arguments = folded_arguments(arguments)
        self._shapes = weight_shapes(self.arguments)
        self._stored = weight_shapes(self._arguments)
        self._read_stored = read
        self._dtypes = dtypes or {}
        self._offsets = []
        for index in range(self._arguments["num_layers"]):
            block = f"decoder_block_{index}"
            self._check_16_bits(block, index)
            self._offsets.append(self._offset(block))

    def __call__(self, path):
        block, _, part = path.partition("/")
        if not block.startswith("decoder_block_"):
            return self._read(path)
        index = int(block.removeprefix("decoder_block_"))
        if part not in _FOLDS:
            return self._read(path)
        return getattr(self, _FOLDS[part])(block, index)

    def _read(self, path):
        """A weight; one that the backbone lacks has no effect."""
        if path in self._stored:
            return self._read_stored(path)
        fill = np.ones if path.endswith("/gamma") else np.zeros
        return fill(self._shapes[path], "float32")

    def _folded_beta(self, block, index):
        beta = self._read(f"{block}/attention_norm/beta")
        return beta.astype("float64") + self._offsets[index]

    def _folded_kernel(self, block, index):
        kernel = self._by_head(f"{block}/query_key_value/kernel").copy()
        kernel[..., 0, :] *= self._scale(index)
        return kernel.reshape(self._shapes[f"{block}/query_key_value/kernel"])

    def _folded_bias(self, block, index):
        bias = self._read(f"{block}/attention_output/bias").astype("float64")
        value = self._by_head(f"{block}/query_key_value/kernel")[..., 2, :]
        value = value.reshape(bias.size, bias.size)
        shift = self._bias(block, 2) - self._offsets[index] @ value
        kernel = self._read(f"{block}/attention_output/kernel")
        return bias + shift @ kernel.astype("float64")

    def _scale(self, index):
        scale = self._arguments["attention_scale"]
        if scale is None:
            width = self._arguments["hidden_dim"]
            scale = (width // self._arguments["num_heads"]) ** -0.5
        by_layer = self._arguments["scale_by_inverse_layer_index"]
        return scale / (index + 1) if by_layer else scale

    def _by_head(self, path):
        """A fused weight, (..., 3 M) as (..., H, 3, D), in float64."""
        array = self._read_stored(path).astype("float64")
        heads = self._arguments["num_heads"]
        return array.reshape(*array.shape[:-1], heads, 3, -1)

    def _bias(self, block, kind):
        """The bias of queries (0), keys (1) or values (2)."""
        path = f"{block}/query_key_value/bias"
        if path not in self._stored:
            return np.zeros(self._arguments["hidden_dim"])
        return self._by_head(path)[:, kind].reshape(-1)

    def _check_16_bits(self, block, index):
        """Raise if weights of 16 bits would be rounded once more."""
        dtypes = [self._dtypes.get(f"{block}/{part}") for part in _FOLDS]
        dtypes = [name for name in dtypes if name in ("bfloat16", "float16")]
        scale = self._scale(index)
        rounded = {
            "a query bias": self._bias(block, 0).any(),
            "a value bias": self._bias(block, 2).any(),
            f"the scale {scale:.4g}": math.frexp(scale)[0] != 0.5,
        }
        if dtypes and any(rounded.values()):
            found = next(name for name, is_so in rounded.items() if is_so)
            raise ValueError(
                "Attention whose weights have 16 bits must have no bias of "
                "queries or values, and a power of two as its scale, to be "
                f"folded into them. Received: {block} in {dtypes[0]} with "
                f"{found}. Load the model with dtype='float32' to write it."
            )

    def _offset(self, block):
        """What the normalized states are to be shifted by, d of d Wq = bq."""
        bias = self._bias(block, 0)
        if not bias.any():
            return bias
        kernel = self._by_head(f"{block}/query_key_value/kernel")[..., 0, :]
        kernel = kernel.reshape(bias.size, bias.size)
        gamma = self._read(f"{block}/attention_norm/gamma").astype("float64")
        state_size = np.sqrt(np.mean(gamma**2)) or 1.0
        query_size = np.sqrt(np.mean(gamma**2 @ kernel**2)) or 1.0
        errors = []
        # The second does without directions that a singular kernel lacks.
        for solve in (_solve, _solve_in_range):
            offset = solve(kernel, bias)
            missed = np.abs(offset @ kernel - bias).max() / query_size
            growth = np.sqrt(np.mean(offset**2)) / state_size
            errors.append(missed + np.finfo("float32").eps * growth)
            if errors[-1] <= _LARGEST_ERROR:
                return offset
        raise ValueError(
            "A query bias must fold into the normalization before it with a "
            f"relative error of at most {_LARGEST_ERROR:.0e} in "
            f"float32. Received: {block}, error {min(errors):.1e}, whose query "
            f"kernel has condition number {np.linalg.cond(kernel):.1e}. Save "
            "it with save_to_preset."
        )


def _solve(kernel, bias):
    try:
        return np.linalg.solve(kernel.T, bias)
    except np.linalg.LinAlgError:
        return np.zeros_like(bias)


def _solve_in_range(kernel, bias):
    return np.linalg.lstsq(kernel.T, bias, rcond=_LARGEST_ERROR)[0]
