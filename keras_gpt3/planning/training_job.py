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
    """A step's batch of a model, and how fast devices and links are."""

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
        """Fills in what is assumed where nothing is said."""
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
        """The sizes of a pass of some rows."""
        return PassSizes.of(
            self.config, self.dtype, rows, self.length, rematerialization
        )

    def recomputation(self, rematerialization):
        """The share of a step's FLOPs that come on top."""
        return recomputation_share(self.config, rematerialization, self.length)
