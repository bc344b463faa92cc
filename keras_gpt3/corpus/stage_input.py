"""What a part of a stage is made from."""

import dataclasses
import hashlib
import json
import os


@dataclasses.dataclass(frozen=True)
class StageInput:
    """A file, the data set that it is of, and what tells its content.

    Args:
        source: string. The data set.
        path: string.
        digest: string. Another content has another digest.

    Example:

    ```python
    from keras_gpt3.corpus.stage_input import StageInput

    StageInput("novels", "a.jsonl", digest="1f")
    ```
    """

    source: str
    path: str
    digest: str

    @classmethod
    def of_file(cls, source, path, name=None):
        """A file whose name, size and time of change stand for its content.

        Args:
            source: string.
            path: string or path.
            name: string. Defaults to `None`, the path's last part.

        Returns:
            A `StageInput`.

        Raises:
            FileNotFoundError: If there is no such file.
        """
        found = os.stat(path)
        name = name or os.path.basename(path)
        digest = f"{name}:{found.st_size}:{found.st_mtime_ns}"
        return cls(source, str(path), digest)


def inputs_digest(inputs):
    """Tells the inputs of a stage, or what one has left, from others.

    Args:
        inputs: list of `StageInput`. In any order.

    Returns:
        A string.

    Example:

    ```python
    from keras_gpt3.corpus.stage_input import StageInput
    from keras_gpt3.corpus.stage_input import inputs_digest

    inputs_digest([StageInput("novels", "a.jsonl", "1f")])
    ```
    """
    pairs = sorted((item.source, item.digest) for item in inputs)
    text = json.dumps(pairs).encode()
    return hashlib.blake2b(text, digest_size=16).hexdigest()
