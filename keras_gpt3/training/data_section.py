"""The section `data` of a pretraining run's config."""

import dataclasses

from keras_gpt3.integer_argument import check_integer
from keras_gpt3.integer_argument import check_integers


@dataclasses.dataclass(frozen=True)
class DataSection:
    """What it is trained on (section 2.2 of the paper).

    Args:
        shards: dict of name to folder of token shards.
        weights: dict of name to weight in the mixture (Table 2.2). Defaults to
            `None`: by their tokens.
        validation: dict of name to folder of held-out shards. Defaults to
            none.
        sequence_length: int. Tokens of a context. Defaults to `None`: the
            model's `max_sequence_length`.
        skip_batches: list of ints. Batches, counted from 0, whose contexts are
            passed over. Defaults to none.

    Raises:
        ValueError: If a number is out of its range.

    Example:

    ```python
    from keras_gpt3.training import DataSection

    DataSection({"books": "shards/books"}, sequence_length=1024)
    ```
    """

    shards: dict[str, str]
    weights: dict[str, float] | None = None
    validation: dict[str, str] = dataclasses.field(default_factory=dict)
    sequence_length: int | None = None
    skip_batches: list[int] = dataclasses.field(default_factory=list)

    def __post_init__(self):
        check_integers(self, "data", sequence_length=1)
        for batch in self.skip_batches:
            check_integer("A batch of data.skip_batches", batch, minimum=0)
