"""The section `shard` of a corpus build's config."""

import dataclasses

from keras_gpt3.integer_argument import check_integers


@dataclasses.dataclass(frozen=True)
class ShardSection:
    """How documents become tokens on disk.

    Args:
        preset: string. Whose tokenizer: a preset's name or the folder of a
            model. Defaults to `"gpt3_small_en"`.
        tokens_per_shard: int. How many tokens a file has, about. Defaults to
            `2**27`.
        validation_fraction: float. Share of the documents that is held out,
            chosen by a hash of their ids. Defaults to `0`.
        tfrecord: bool. Whether to write each shard as TFRecord as well.
            Defaults to `False`.

    Raises:
        ValueError: If a number is out of its range.

    Example:

    ```python
    from keras_gpt3.corpus.shard_section import ShardSection

    ShardSection(validation_fraction=0.01)
    ```
    """

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
