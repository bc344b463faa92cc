"""The JSON manifest beside the token shards."""

import dataclasses
import hashlib
import json
import os
import pathlib
import re

import numpy as np

from keras_gpt3.atomic_write import atomic_write
from keras_gpt3.atomic_write import recover_folder
from keras_gpt3.regular_file import check_regular_file

MANIFEST_NAME = "manifest.json"
FORMAT_VERSION = 1
DTYPES = ("uint16", "uint32")


@dataclasses.dataclass(frozen=True)
class ShardManifest:
    """What a folder of token shards holds."""

    dtype: str
    end_token_id: int
    vocabulary_size: int
    shards: tuple

    @property
    def num_tokens(self):
        """The number of tokens in all shards."""
        return sum(shard.num_tokens for shard in self.shards)

    @property
    def num_documents(self):
        """The number of documents in all shards."""
        return sum(shard.num_documents for shard in self.shards)

    def write(self, folder):
        """Write `manifest.json`, whole or not at all."""
        fields = {
            "format_version": FORMAT_VERSION,
            **dataclasses.asdict(self),
            "num_tokens": self.num_tokens,
            "num_documents": self.num_documents,
        }
        with atomic_write(pathlib.Path(folder, MANIFEST_NAME)) as file:
            file.write(json.dumps(fields, indent=2).encode())

    @classmethod
    def read(cls, folder):
        """Read and check `manifest.json`."""
        path = pathlib.Path(folder, MANIFEST_NAME)
        fields = _load(path)
        try:
            manifest = cls(
                dtype=DTYPES[DTYPES.index(fields["dtype"])],
                end_token_id=int(fields["end_token_id"]),
                vocabulary_size=int(fields["vocabulary_size"]),
                shards=tuple(ShardRecord(**item) for item in fields["shards"]),
            )
            totals = fields["num_tokens"], fields["num_documents"]
            found = manifest.num_tokens, manifest.num_documents
        except (
            KeyError,
            OverflowError,
            RecursionError,
            TypeError,
            ValueError,
        ) as error:
            raise ValueError(_malformed(path, repr(error))) from error
        if not 0 <= manifest.end_token_id < manifest.vocabulary_size:
            raise ValueError(
                "A manifest's end_token_id must be from 0 to below its "
                f"vocabulary_size. Received: file='{path}', end_token_id="
                f"{manifest.end_token_id}, vocabulary_size="
                f"{manifest.vocabulary_size}. Write the shards again."
            )
        if totals != found:
            raise ValueError(
                "A manifest's totals must be the sums over its shards. "
                f"Received: file='{path}', (num_tokens, num_documents)="
                f"{totals} where the shards add up to {found}. Write the "
                "shards again."
            )
        return manifest


def _load(path):
    """Return the manifest's fields, of the version that this code reads."""
    recover_folder(path.parent)
    check_regular_file(path)
    try:
        fields = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(
            f"A folder of token shards must hold {MANIFEST_NAME}. Received: "
            f"folder='{path.parent}'. Write it with "
            "keras_gpt3.data.write_token_shards."
        ) from error
    except (RecursionError, ValueError) as error:
        raise ValueError(_malformed(path, error)) from error
    version = fields.get("format_version") if isinstance(fields, dict) else None
    if version != FORMAT_VERSION:
        raise ValueError(
            f"A manifest's format_version must be {FORMAT_VERSION}. Received: "
            f"format_version={version!r:.200} in file='{path}'. Update "
            "keras_gpt3 or write the shards again."
        )
    return fields


def _malformed(path, reason):
    return (
        "A manifest must be JSON with all of its fields. Received: "
        f"file='{path}' ({reason!s:.200}). Copy it again or write the shards "
        "again."
    )


_CHUNK_TOKENS = 2**22
_PLAIN = re.compile(r"(?!\.\.?$)[^/\\:\0]+")


@dataclasses.dataclass(frozen=True)
class ShardRecord:
    """What the manifest states of one shard file.

    A shard is a flat file of little-endian token ids, every document
    followed by the end-of-text id. Documents are whole within a shard, so
    shards can be dropped, reordered or joined with `cat`.
    """

    file_name: str
    num_tokens: int
    num_documents: int
    sha256: str

    def __post_init__(self):
        # A manifest from elsewhere could otherwise name any file.
        if not isinstance(self.file_name, str) or not _PLAIN.fullmatch(
            self.file_name
        ):
            raise ValueError(
                "a shard must be a plain file name beside the manifest, not "
                f"{self.file_name!r:.80}"
            )
        for name in ("num_tokens", "num_documents"):
            value = getattr(self, name)
            if type(value) is not int or not 0 <= value < 2**63:
                raise ValueError(f"{name} must be a count, not {value!r:.80}")
        if not isinstance(self.sha256, str):
            raise ValueError(f"sha256 must be text, not {self.sha256!r:.80}")

    def open(self, folder, dtype):
        """Open the shard, without reading it."""
        path = pathlib.Path(folder, self.file_name)
        descriptor = _open(path)
        found = os.fstat(descriptor).st_size
        stated = self.num_tokens * np.dtype(dtype).itemsize
        if found != stated:
            os.close(descriptor)
            raise ValueError(
                "A shard must be as long as its manifest states. Received: "
                f"file='{path}' of {found} bytes where the manifest states "
                f"{stated}. Copy it again or write the shards again."
            )
        return descriptor

    def verify(self, folder, dtype, end_token_id, vocabulary_size):
        """Read the whole shard and compare it with the record."""
        digest, num_ends, largest = hashlib.sha256(), 0, 0
        dtype = np.dtype(dtype).newbyteorder("<")
        with os.fdopen(self.open(folder, dtype), "rb") as file:
            while len(chunk := np.fromfile(file, dtype, _CHUNK_TOKENS)):
                digest.update(chunk)
                num_ends += int(np.count_nonzero(chunk == end_token_id))
                largest = max(largest, int(chunk.max()))
        self._check("sha256", digest.hexdigest() == self.sha256, folder)
        # A tokenizer of one's own may put the end id inside a document.
        self._check("num_documents", num_ends >= self.num_documents, folder)
        self._check("vocabulary_size", largest < vocabulary_size, folder)

    def _check(self, field, agrees, folder):
        if not agrees:
            raise ValueError(
                "A shard must agree with its manifest. Received: "
                f"file='{pathlib.Path(folder, self.file_name)}' with other "
                f"contents than the manifest's {field}. Copy it again or "
                "write the shards again."
            )


def _open(path):
    check_regular_file(path)
    try:
        return os.open(path, os.O_RDONLY)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            "Every shard named in the manifest must exist. Received: "
            f"file='{path}', which is missing. Copy it back or write the "
            "shards again."
        ) from error
    except OSError as error:
        raise OSError(
            "Every shard must open, and stays open while its corpus is in "
            f"use. Received: file='{path}' ({error.strerror}). Permit reading "
            "it, and as many open files as there are shards (ulimit -n)."
        ) from error
