"""What a part of a stage is made from."""

import dataclasses
import hashlib
import json
import os


@dataclasses.dataclass(frozen=True)
class StageInput:
    """A file, the data set that it is of, and what tells its content."""

    source: str
    path: str
    digest: str

    @classmethod
    def of_file(cls, source, path, name=None):
        """A file whose name, size and time of change stand for its content."""
        found = os.stat(path)
        name = name or os.path.basename(path)
        digest = f"{name}:{found.st_size}:{found.st_mtime_ns}"
        return cls(source, str(path), digest)


def inputs_digest(inputs):
    """Tells the inputs of a stage, or what one has left, from others."""
    pairs = sorted((item.source, item.digest) for item in inputs)
    text = json.dumps(pairs).encode()
    return hashlib.blake2b(text, digest_size=16).hexdigest()
