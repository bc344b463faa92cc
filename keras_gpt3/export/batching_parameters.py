"""How many requests a server may answer at a time, from the model's size."""

import dataclasses

from keras_gpt3.planning import cache_bytes

# Small models decode more rows at a time than their own size would allow.
_LEAST_CACHE_BYTES = 2**31
_LARGEST_BATCH = 32


@dataclasses.dataclass(frozen=True)
class BatchingParameters:
    """What TensorFlow Serving is told about batching."""

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
        """The text of a `batching_parameters_file`."""
        lines = [
            f"{name}: {{ value: {value} }}"
            for name, value in dataclasses.asdict(self).items()
        ]
        lines += [f"allowed_batch_sizes: {n}" for n in self.allowed_batch_sizes]
        # Rows may have more and fewer stop strings. The server fills with a
        # request's first one, which means the same twice as once.
        lines.append("pad_variable_length_inputs: true")
        return "\n".join(lines) + "\n"
