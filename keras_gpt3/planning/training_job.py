"""What is to be trained, and what is assumed of the machines."""

import dataclasses
import functools

from keras_gpt3.argument_checks import check_choice
from keras_gpt3.argument_checks import check_integer
from keras_gpt3.argument_checks import echoed
from keras_gpt3.planning.pass_sizes import PassSizes
from keras_gpt3.planning.pass_sizes import attention_windows
from keras_gpt3.planning.pass_sizes import num_scores
from keras_gpt3.planning.training_memory import choose_training
from keras_gpt3.planning.training_memory import given_choice


@dataclasses.dataclass(frozen=True)
class Links:
    """The speed of the links of a cluster, as seen by one device.

    The defaults are those of machines with eight A100 and a network card of
    200 Gbit/s for each.

    Args:
        node_devices: int. Devices of a machine. Defaults to `8`.
        node_bandwidth: float. Bytes a second that a device sends to others of
            its machine. Defaults to `300e9`.
        network_bandwidth: float. Bytes a second that it sends to devices of
            other machines. Defaults to `25e9`.
        overlap: float. The share of the time of the products, during which the
            data axis may communicate at no cost. What goes over the model
            axis or between stages is waited for. Defaults to `0.5`.

    Raises:
        ValueError: If a speed is not above 0, `node_devices` no integer of at
            least 1, or `overlap` not from 0 to 1.

    Example:

    ```python
    from keras_gpt3.planning import Links

    Links(network_bandwidth=50e9).bandwidth(span=16, devices=64)  # 50e9
    ```
    """

    node_devices: int = 8
    node_bandwidth: float = 300e9
    network_bandwidth: float = 25e9
    overlap: float = 0.5

    def __post_init__(self):
        check_integer("node_devices", self.node_devices, minimum=1)
        for name in ("node_bandwidth", "network_bandwidth"):
            if not getattr(self, name) > 0:
                raise ValueError(
                    f"{name} must be above 0. Received: {name}="
                    f"{echoed(getattr(self, name))}. Leave it out to use "
                    f"{getattr(Links, name):g} bytes a second."
                )
        if not 0 <= self.overlap <= 1:
            raise ValueError(
                "overlap must be from 0 to 1. Received: overlap="
                f"{echoed(self.overlap)}. Use 0 to wait for all communication."
            )

    def bandwidth(self, span, devices):
        """Return the speed of the slowest link along an axis of a mesh.

        Args:
            span: int. Consecutive devices among which those that communicate
                lie.
            devices: int. All devices of the mesh.

        Returns:
            A float, bytes a second.
        """
        aligned = self.node_devices % span == 0
        if aligned or devices <= self.node_devices:
            return self.node_bandwidth
        return self.network_bandwidth


# FLOP/s of a device: 40% of the 312e12 that an A100 does in 16 bits at most.
SUSTAINED_FLOPS = 125e12


@dataclasses.dataclass(frozen=True)
class TrainingJob:
    """A step's batch of a model, and how fast devices and links are.

    `backend` is the one that it has to run on, `None` for either. `step` are
    the micro-batch and the rematerialization where they are not to be chosen,
    `multiple` the rows that replicas times micro-batch must then divide.
    """

    config: dict
    rows: int
    length: int
    dtype: str
    sustained_flops: float = SUSTAINED_FLOPS
    links: Links = dataclasses.field(default_factory=Links)
    accelerator: str | None = "tensorflow"
    backend: str | None = None
    step: tuple | None = None
    multiple: int | None = None

    def __post_init__(self):
        if self.backend is not None:
            check_choice("backend", self.backend, ("jax", "tensorflow"))
        if not self.sustained_flops > 0:
            raise ValueError(
                "sustained_flops must be above 0. Received: sustained_flops="
                f"{echoed(self.sustained_flops)}. Leave it out to use "
                f"{SUSTAINED_FLOPS:g} FLOP/s."
            )

    def choose(self, rows, budget):
        """`choose_training` for a device that has the whole model."""
        options = {
            "dtype": self.dtype,
            "length": self.length,
            "accelerator": self.accelerator,
        }
        if self.step is None:
            return choose_training(self.config, rows, budget, **options)
        choice = given_choice(self.config, rows, *self.step, **options)
        return choice, choice.memory["total"] <= budget

    def divides(self, data):
        """Whether the batches can be shared equally by some replicas."""
        if self.step is None:
            return self.rows % data == 0
        return self.multiple % (data * (self.step[0] or 1)) == 0

    @property
    def tokens(self):
        """Tokens of a step, an int."""
        return self.rows * self.length

    @functools.cached_property
    def flops_per_token(self):
        """The FLOPs that the model needs for a token, a float."""
        return model_flops_per_token(self.config, self.length)

    def sizes(self, rows, policy):
        """The sizes of a pass of some rows."""
        return PassSizes.of(self.config, self.dtype, rows, self.length, policy)

    def recomputation(self, policy):
        """The share of a step's FLOPs that come on top."""
        return recomputation_share(self.config, policy, self.length)


_SECONDS_OF_DAY = 86400
_PETA = 1e15


def training_days(total_tokens, batch_tokens, step_seconds):
    """Compute the days of a run whose batches are all of one size."""
    return total_tokens / batch_tokens * step_seconds / _SECONDS_OF_DAY


def petaflop_days(flops):
    """Write a number of FLOPs in petaflop/s-days, as Table D.1 does."""
    return flops / (_PETA * _SECONDS_OF_DAY)


def model_flops_per_token(config, length=None):
    """Compute the FLOPs of training on one token.

    What the model needs, not what a step does: scores that no query sees and
    what rematerialization computes again do not count (as in PaLM's appendix
    B, but with the visible keys alone). Each weight of a product counts 6
    times: a multiplication and an addition, forward and twice backward.
    """
    sizes = PassSizes.of(config, "float32", 1, length)
    weights = config["num_layers"] * sizes.kernel_weights + sizes.table_weights
    length = sizes.tokens
    visible = sum(
        _mean_visible(length, window) for window in attention_windows(config)
    )
    # Scores and weighted values, of all heads together.
    attention = 2 * config["hidden_dim"] * visible
    return 6.0 * (weights + attention)


def _mean_visible(length, window):
    """How many keys a query sees, on average over the positions."""
    window = length if window is None else min(window, length)
    full = length - window
    return (window * (window + 1) / 2 + full * window) / length


# Each of scores x head_dim numbers, multiplied and added: two in the forward
# pass; scores again, and four gradients, in the backward pass.
_FORWARD_PRODUCTS = 2
_BACKWARD_PRODUCTS = 5


def recomputation_share(config, rematerialization, length=None):
    """Estimate how much arithmetic rematerialization adds to a step.

    Args:
        config: dict. The arguments of `GPT3Backbone`.
        rematerialization: string or int. Blocks that run forward again in the
            backward pass: `"none"`, `"block"` for all, or `k` for every
            `k`-th.
        length: int. Tokens in a sequence. Defaults to `None`, the config's
            `max_sequence_length`.

    Returns:
        A float: FLOPs of the matrix products that are computed again, over
        those of a step without rematerialization.

    Raises:
        ValueError: If the policy is unknown or a size is missing.

    Example:

    ```python
    from keras_gpt3.planning import recomputation_share
    from keras_gpt3.preset_loader import load_shipped_preset

    config = load_shipped_preset("gpt3_175b_en")["backbone"]
    recomputation_share(config, "block")  # 0.33
    ```
    """
    sizes = PassSizes.of(config, "float32", 1, length, rematerialization)
    forward = [forward_flops(sizes, window) for window in sizes.windows]
    again = sum(
        flops
        for flops, recomputed in zip(forward, sizes.recomputed, strict=True)
        if recomputed
    )
    backward = sum(backward_flops(sizes, window) for window in sizes.windows)
    head = 3 * 2 * sizes.tokens * sizes.table_weights
    return again / (sum(forward) + backward + head)


def forward_flops(sizes, window):
    """FLOPs of a block's products forward; a multiply-add is two."""
    return _projections(sizes) + _FORWARD_PRODUCTS * _attention(sizes, window)


def backward_flops(sizes, window):
    """FLOPs of a block's products backward, without rematerialization."""
    attention = _BACKWARD_PRODUCTS * _attention(sizes, window)
    return 2 * _projections(sizes) + attention


def _projections(sizes):
    return 2 * sizes.tokens * sizes.kernel_weights


def _attention(sizes, window):
    """One product of scores; all heads together have `width` numbers."""
    return 2 * sizes.rows * num_scores(sizes.length, window) * sizes.hidden_dim
