"""How many requests a server may answer at a time, from the model's size."""

import dataclasses

from keras_gpt3.planning import cache_bytes

# Small models decode more rows at a time than their own size would allow.
_LEAST_CACHE_BYTES = 2**31
_LARGEST_BATCH = 32


@dataclasses.dataclass(frozen=True)
class BatchingParameters:
    """What TensorFlow Serving is told about batching.

    Args:
        max_batch_size: int. Rows of the largest batch.
        num_batch_threads: int. Batches that are answered at a time.
        batch_timeout_micros: int. How long a row waits for others.
        max_enqueued_batches: int. Batches that wait; further rows are
            refused at once, rather than when their client gives up.

    Example:

    ```python
    from keras_gpt3.export.batching_parameters import BatchingParameters

    BatchingParameters(max_batch_size=8).allowed_batch_sizes  # (1, 2, 4, 8)
    ```
    """

    max_batch_size: int
    # A long answer shall not keep all others waiting.
    num_batch_threads: int = 2
    # A hundredth of what an answer takes, and enough to gather what comes
    # from many clients.
    batch_timeout_micros: int = 10_000
    max_enqueued_batches: int = 8

    @classmethod
    def for_model(cls, config, dtype, weight_bytes):
        """Sizes batches to a model.

        The keys and values of all rows that are answered at a time, each at
        the model's full context, take no more memory than the weights do, or
        2 GiB for small models: a server needs about twice the weights. The
        batch is the largest power of two within that, at most 32.

        Args:
            config: dict. The arguments of `GPT3Backbone`.
            dtype: string. What the layers compute in.
            weight_bytes: int. The memory of the weights.

        Returns:
            A `BatchingParameters`.

        Example:

        ```python
        from keras_gpt3.export.batching_parameters import BatchingParameters
        from keras_gpt3.preset_loader import load_shipped_preset

        config = load_shipped_preset("gpt3_small_en")["backbone"]
        BatchingParameters.for_model(config, "float32", 500_841_216)
        # BatchingParameters(max_batch_size=8, ...)
        ```
        """
        room = max(weight_bytes, _LEAST_CACHE_BYTES)
        row = cache_bytes(config, dtype)
        rows = min(room // (row * cls.num_batch_threads), _LARGEST_BATCH)
        return cls(max_batch_size=2 ** (max(rows, 1).bit_length() - 1))

    @property
    def allowed_batch_sizes(self):
        """The powers of two up to the largest batch, a tuple of ints.

        A server fills a batch up to one of these: the shapes that it meets
        are few, and each has been warmed up.
        """
        exponents = range(self.max_batch_size.bit_length())
        return tuple(2**exponent for exponent in exponents)

    def as_text(self):
        """The text of a `batching_parameters_file`.

        Returns:
            A string, a `BatchingParameters` message in text format.
        """
        lines = [
            f"{name}: {{ value: {value} }}"
            for name, value in dataclasses.asdict(self).items()
        ]
        lines += [f"allowed_batch_sizes: {n}" for n in self.allowed_batch_sizes]
        # Rows may have more and fewer stop strings. The server fills with a
        # request's first one, which means the same twice as once.
        lines.append("pad_variable_length_inputs: true")
        return "\n".join(lines) + "\n"
