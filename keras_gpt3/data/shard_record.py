"""One token shard as its manifest describes it."""

import dataclasses
import hashlib
import os
import pathlib

import numpy as np

_CHUNK_TOKENS = 2**22


@dataclasses.dataclass(frozen=True)
class ShardRecord:
    """What the manifest states of one shard file.

    A shard is a flat file of little-endian token ids, every document
    followed by the end-of-text id. Documents are whole within a shard, so
    shards can be dropped, reordered or joined with `cat`.

    Args:
        file_name: string. The file's name inside the folder.
        num_tokens: int. How many ids the file holds.
        num_documents: int. How many documents the file holds.
        sha256: string. The checksum of the file's bytes, in hexadecimal.

    Example:

    ```python
    from keras_gpt3.data.shard_record import ShardRecord

    record = ShardRecord("tokens-00000.uint16", 3, 1, sha256="...")
    ```
    """

    file_name: str
    num_tokens: int
    num_documents: int
    sha256: str

    def open(self, folder, dtype):
        """Map the shard into memory, without reading it.

        Args:
            folder: path. The folder of the shard.
            dtype: string. The type of the ids on disk.

        Returns:
            A read-only numpy array `(num_tokens,)` of `dtype`.

        Raises:
            FileNotFoundError: If the file is missing.
            ValueError: If its size is not what the manifest states.
        """
        path = pathlib.Path(folder, self.file_name)
        dtype = np.dtype(dtype).newbyteorder("<")
        self._check_size(path, self.num_tokens * dtype.itemsize)
        if self.num_tokens == 0:  # An empty file cannot be mapped.
            return np.empty(0, dtype)
        # A plain view: each slice of a np.memmap costs a Python call more.
        return np.asarray(np.memmap(path, dtype, mode="r"))

    def verify(self, folder, dtype, end_token_id, vocabulary_size):
        """Read the whole shard and compare it with the record.

        Args:
            folder: path. The folder of the shard.
            dtype: string. The type of the ids on disk.
            end_token_id: int. The id that follows every document.
            vocabulary_size: int. All ids lie below it.

        Raises:
            FileNotFoundError: If the file is missing.
            ValueError: If size, checksum, number of documents or ids
                disagree with the manifest.
        """
        tokens = self.open(folder, dtype)
        digest, num_ends, largest = hashlib.sha256(), 0, 0
        for start in range(0, len(tokens), _CHUNK_TOKENS):
            chunk = tokens[start : start + _CHUNK_TOKENS]
            digest.update(chunk)
            num_ends += int(np.count_nonzero(chunk == end_token_id))
            largest = max(largest, int(chunk.max()))
        self._check("sha256", digest.hexdigest() == self.sha256, folder)
        # A tokenizer of one's own may put the end id inside a document.
        self._check("num_documents", num_ends >= self.num_documents, folder)
        self._check("vocabulary_size", largest < vocabulary_size, folder)

    def _check_size(self, path, num_bytes):
        if not path.exists():
            raise FileNotFoundError(
                "Every shard named in the manifest must exist. Received: "
                f"file='{path}', which is missing. Copy it back or write the "
                "shards again."
            )
        found = os.path.getsize(path)
        if found != num_bytes:
            raise ValueError(
                "A shard must be as long as its manifest states. Received: "
                f"file='{path}' of {found} bytes where the manifest states "
                f"{num_bytes}. Copy it again or write the shards again."
            )

    def _check(self, field, agrees, folder):
        if not agrees:
            raise ValueError(
                "A shard must agree with its manifest. Received: "
                f"file='{pathlib.Path(folder, self.file_name)}' with other "
                f"contents than the manifest's {field}. Copy it again or "
                "write the shards again."
            )
