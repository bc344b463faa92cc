"""The section `shard` of a corpus build's config."""

import dataclasses

from keras_gpt3.integer_argument import check_integers


@dataclasses.dataclass(frozen=True)
class ShardSection:
    """How documents become tokens on disk."""

    preset: str = "gpt3_small_en"
    tokens_per_shard: int = 2**27
    validation_fraction: float = 0.0
    tfrecord: bool = False

    def __post_init__(self):
        check_integers(self, "shard", tokens_per_shard=1)
        if not 0 <= self.validation_fraction < 1:
            raise ValueError(
                "shard.validation_fraction must be at least 0 and below 1. "
                "Received: shard.validation_fraction="
                f"{self.validation_fraction}. Use 0.01 to hold out one "
                "document in a hundred."
            )
