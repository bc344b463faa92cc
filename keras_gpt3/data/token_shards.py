"""A folder of token shards, memory-mapped."""

import pathlib

import numpy as np

from keras_gpt3.data.shard_manifest import ShardManifest


class TokenShards:
    """A tokenized corpus on disk, readable at any position.

    The corpus is the concatenation of all shards in the manifest's order.
    Opening maps the files into memory and compares their sizes with the
    manifest; no token is read before it is needed.

    Args:
        folder: path. A folder that `keras_gpt3.data.write_token_shards` wrote.

    Raises:
        FileNotFoundError: If the manifest or a shard is missing.
        ValueError: If the manifest is malformed, disagrees with its shards,
            or names no tokens.

    Example:

    ```python
    import tempfile

    import keras_gpt3

    folder = tempfile.mkdtemp()
    tokenizer = keras_gpt3.GPT3Tokenizer.from_preset("gpt3_small_en")
    keras_gpt3.data.write_token_shards(["Once upon a time"], folder, tokenizer)
    shards = keras_gpt3.data.TokenShards(folder)
    print(shards.num_tokens, shards.read([0], length=5))
    ```
    """

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self._manifest = ShardManifest.read(folder)
        if self.num_tokens == 0:
            raise ValueError(
                "A corpus must hold at least one token. Received: "
                f"folder='{folder}' with no tokens. Write the shards again."
            )
        self._shards = [
            record.open(folder, self.dtype) for record in self._manifest.shards
        ]
        # The position at which each shard starts, and the end of the last.
        self._bounds = np.cumsum([0] + [len(shard) for shard in self._shards])

    @property
    def dtype(self):
        """str. The type of the ids on disk."""
        return self._manifest.dtype

    @property
    def end_token_id(self):
        """int. The id that follows every document."""
        return self._manifest.end_token_id

    @property
    def vocabulary_size(self):
        """int. All ids lie below it."""
        return self._manifest.vocabulary_size

    @property
    def num_tokens(self):
        """int. The number of tokens, end-of-text ids included."""
        return self._manifest.num_tokens

    @property
    def num_documents(self):
        """int. The number of documents."""
        return self._manifest.num_documents

    def num_contexts(self, sequence_length):
        """Count the full contexts in the corpus.

        A context is `sequence_length + 1` tokens, one more than it predicts,
        and starts at a multiple of `sequence_length`.

        Args:
            sequence_length: int. The number of tokens that a context predicts.

        Returns:
            An int of at least 1.

        Raises:
            ValueError: If the corpus is shorter than one context.
        """
        num_contexts = (self.num_tokens - 1) // sequence_length
        if num_contexts < 1:
            raise ValueError(
                "A corpus must hold at least one context, sequence_length + 1 "
                f"= {sequence_length + 1} tokens. Received: num_tokens="
                f"{self.num_tokens} in folder='{self.folder}'. Add documents "
                "or pass a smaller sequence_length."
            )
        return num_contexts

    def read(self, starts, length):
        """Read runs of consecutive tokens; a run may cross shards.

        Args:
            starts: array of ints. The position of each run's first token.
            length: int. The number of tokens in a run.

        Returns:
            A numpy array `(len(starts), length)` of int32.

        Raises:
            ValueError: If a run does not lie within the corpus.
        """
        starts = np.asarray(starts)
        if np.any(starts < 0) or np.any(starts > self.num_tokens - length):
            raise ValueError(
                "Runs of tokens must lie within the corpus. Received: starts "
                f"from {starts.min()} to {starts.max()}, length={length}, "
                f"num_tokens={self.num_tokens}. Pass smaller starts."
            )
        tokens = np.empty((len(starts), length), np.int32)
        shards = np.searchsorted(self._bounds, starts, side="right") - 1
        offsets = starts - self._bounds[shards]
        for row, shard, offset in zip(tokens, shards, offsets, strict=True):
            self._fill(row, shard, offset)
        return tokens

    def verify(self):
        """Read every shard and compare its contents with the manifest.

        Raises:
            FileNotFoundError: If a shard is missing.
            ValueError: If a shard disagrees with the manifest.
        """
        for record in self._manifest.shards:
            record.verify(
                self.folder, self.dtype, self.end_token_id, self.vocabulary_size
            )

    def _fill(self, row, shard, offset):
        filled = 0
        while filled < len(row):
            piece = self._shards[shard][offset : offset + len(row) - filled]
            row[filled : filled + len(piece)] = piece
            filled, shard, offset = filled + len(piece), shard + 1, 0
