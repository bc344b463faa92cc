"""The JSON manifest beside the token shards."""

import dataclasses
import json
import pathlib

from keras_gpt3.data.shard_record import ShardRecord
from keras_gpt3.regular_file import check_regular_file
from keras_gpt3.replaced_file import replaced_file
from keras_gpt3.replaced_folder import recover_folder

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
        with replaced_file(pathlib.Path(folder, MANIFEST_NAME)) as file:
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
