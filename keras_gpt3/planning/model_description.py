"""What `describe` returns: the figures of one model."""

import dataclasses

from keras_gpt3.planning.cache_memory import cache_bytes
from keras_gpt3.planning.memory import estimate_memory
from keras_gpt3.planning.printed_tables import PrintedTables
from keras_gpt3.planning.training_memory import estimate_training_memory


@dataclasses.dataclass(frozen=True, repr=False)
class ModelDescription(PrintedTables):
    """The figures of a GPT-3: parameters by part, memory, paper and recipe.

    Printing it shows them as tables of at most 80 columns.

    Args:
        name: string. The name of the preset, folder or model.
        config: dict. The arguments of `GPT3Backbone`.
        parameters: dict. From part to number of parameters.
        summary: string or None. One sentence on the preset.
        printed: dict or None. The preset's row of Table 2.1, as printed.
        resolution: string or None. Why `config` deviates from `printed`.
        recipe: dict or None. Batch in tokens, learning rate, total tokens.
        table_d1: dict or None. The preset's column of Table D.1.

    Example:

    ```python
    import keras_gpt3

    description = keras_gpt3.describe("gpt3_small_en")
    description.num_parameters  # 125226240
    description.memory("float32", "adamw")["total"]  # 2003619840
    description.training_memory("float32", batch_size=2)["total"]
    print(description)
    ```
    """

    name: str
    config: dict
    parameters: dict
    summary: str | None = None
    printed: dict | None = None
    resolution: str | None = None
    recipe: dict | None = None
    table_d1: dict | None = None

    @property
    def num_parameters(self):
        """The number of parameters of all parts, an int."""
        return sum(self.parameters.values())

    def memory(self, dtype="float32", optimizer="adamw"):
        """Computes the bytes of the variables; see `estimate_memory`.

        Args:
            dtype: string. A Keras dtype policy. Defaults to `"float32"`.
            optimizer: string or None. `"adamw"`, `"adam"`, `"sgd"`, or `None`
                for inference. Defaults to `"adamw"`.

        Returns:
            A dict from kind (`weights`, `gradients`, `optimizer`, `total`)
            to int bytes.

        Example:

        ```python
        import keras_gpt3

        model = keras_gpt3.describe("gpt3_175b_en")
        model.memory("bfloat16", None)["total"]  # 349208518656
        ```
        """
        return estimate_memory(self.num_parameters, dtype, optimizer)

    def training_memory(self, dtype="float32", optimizer="adamw", **options):
        """Computes the bytes that a training step takes, activations included.

        Args:
            dtype: string. A Keras dtype policy. Defaults to `"float32"`.
            optimizer: string. `"adamw"`, `"adam"` or `"sgd"`. Defaults to
                `"adamw"`.
            **options: `batch_size`, `length`, `micro_batch_size`,
                `rematerialization` and `accelerator`, without which it is that
                of a CPU; see `estimate_training_memory`.

        Returns:
            A dict from part to int bytes, and the `total` at the peak.

        Example:

        ```python
        import keras_gpt3

        model = keras_gpt3.describe("gpt3_small_en")
        model.training_memory(rematerialization="block")["loss_chunk"]
        ```
        """
        return estimate_training_memory(
            self.config, dtype=dtype, optimizer=optimizer, **options
        )

    def cache(self, dtype="float32", batch_size=1, length=None):
        """Computes the bytes of the cache for generation; see `cache_bytes`.

        Args:
            dtype: string. A Keras dtype policy. Defaults to `"float32"`.
            batch_size: int. Sequences that are continued at a time. Defaults
                to `1`.
            length: int. Positions, prompt and continuation. Defaults to
                `None`, the whole context.

        Returns:
            An int, bytes.

        Example:

        ```python
        import keras_gpt3

        keras_gpt3.describe("gpt3_175b_en").cache("bfloat16")  # 5435817984
        ```
        """
        return cache_bytes(self.config, dtype, batch_size, length)

    def __rich__(self):
        # Inside: rich is needed only to print.
        from keras_gpt3.planning.description_tables import description_tables

        return description_tables(self)
