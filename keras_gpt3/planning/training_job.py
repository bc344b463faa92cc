"""What is to be trained, and what is assumed of the machines."""

import dataclasses
import functools

from keras_gpt3.echoed_value import echoed
from keras_gpt3.planning.links import Links
from keras_gpt3.planning.model_flops import model_flops_per_token
from keras_gpt3.planning.pass_sizes import PassSizes
from keras_gpt3.planning.recomputation import recomputation_share

# FLOP/s of a device: 40% of the 312e12 that an A100 does in 16 bits at most.
SUSTAINED_FLOPS = 125e12


@dataclasses.dataclass(frozen=True)
class TrainingJob:
    """A step's batch of a model, and how fast devices and links are.

    Args:
        config: dict. The arguments of `GPT3Backbone`.
        rows: int. Rows of the batch of all devices.
        length: int. Tokens in a row.
        dtype: string. A Keras dtype policy.
        sustained_flops: float. FLOP/s that a device keeps up, products
            that are computed again included. Defaults to `125e12`.
        links: `Links`. Defaults to those of machines of eight A100.
        accelerator: string or `None`. What runs it where every device has the
            whole model, as in `estimate_training_memory`. Defaults to
            `"tensorflow"`.

    Example:

    ```python
    from keras_gpt3.planning.training_job import TrainingJob
    from keras_gpt3.preset_loader import load_shipped_preset

    config = load_shipped_preset("gpt3_small_en")["backbone"]
    TrainingJob(config, 256, 2048, "mixed_bfloat16").tokens  # 524288
    ```
    """

    config: dict
    rows: int
    length: int
    dtype: str
    sustained_flops: float = SUSTAINED_FLOPS
    links: Links = dataclasses.field(default_factory=Links)
    accelerator: str | None = "tensorflow"

    @classmethod
    def of(
        cls,
        config,
        rows,
        length,
        dtype,
        sustained_flops=None,
        links=None,
        accelerator="tensorflow",
    ):
        """Fills in what is assumed where nothing is said.

        Args:
            config: dict. As above, as are `rows`, `length` and `dtype`.
            rows: int. See `config`.
            length: int. See `config`.
            dtype: string. See `config`.
            sustained_flops: float. Defaults to `None`, 125e12.
            links: `Links`. Defaults to `None`, machines of eight A100.
            accelerator: string or `None`. As above.

        Returns:
            A `TrainingJob`.

        Raises:
            ValueError: If `sustained_flops` is not above 0.
        """
        if sustained_flops is None:
            sustained_flops = SUSTAINED_FLOPS
        if not sustained_flops > 0:
            raise ValueError(
                "sustained_flops must be above 0. Received: sustained_flops="
                f"{echoed(sustained_flops)}. Leave it out to use "
                f"{SUSTAINED_FLOPS:g} FLOP/s."
            )
        links = links or Links()
        return cls(
            config, rows, length, dtype, sustained_flops, links, accelerator
        )

    @property
    def memory_options(self):
        """The job's arguments of `estimate_training_memory`, a dict."""
        return {
            "dtype": self.dtype,
            "length": self.length,
            "accelerator": self.accelerator,
        }

    @property
    def tokens(self):
        """Tokens of a step, an int."""
        return self.rows * self.length

    @functools.cached_property
    def flops_per_token(self):
        """The FLOPs that the model needs for a token, a float."""
        return model_flops_per_token(self.config, self.length)

    def sizes(self, rows, rematerialization):
        """The sizes of a pass of some rows.

        Args:
            rows: int. Rows that are in a replica at once.
            rematerialization: string or int. As in `GPT3.compile`.

        Returns:
            A `PassSizes`.
        """
        return PassSizes.of(
            self.config, self.dtype, rows, self.length, rematerialization
        )

    def recomputation(self, rematerialization):
        """The share of a step's FLOPs that come on top.

        Args:
            rematerialization: string or int. As in `GPT3.compile`.

        Returns:
            A float.
        """
        return recomputation_share(self.config, rematerialization, self.length)
