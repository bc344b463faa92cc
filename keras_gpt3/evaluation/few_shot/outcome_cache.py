"""Outcomes on the disk, from which an evaluation resumes."""

import dataclasses
import hashlib
import json
import logging
import pathlib

import numpy as np

from keras_gpt3.atomic_write import atomic_write
from keras_gpt3.version import __version__

_logger = logging.getLogger("keras_gpt3")


class OutcomeCache:
    """The outcomes of one evaluation, one JSON object a line.

    A line is written as soon as an outcome is added: a killed run loses what
    was not added yet, and perhaps the line that it was writing.
    """

    def __init__(self, folder, names, digests=None):
        self.outcomes = {}
        self._digests, self.path, self._file = digests, None, None
        if folder is None:
            return
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{_file_name(names)}.jsonl"
        self._open(names)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._file is not None:
            self._file.close()

    def add(self, outcomes):
        """Add outcomes, and write them."""
        for outcome in outcomes:
            self.outcomes[outcome.index] = outcome
            if self._file is not None:
                self._write(dataclasses.asdict(outcome))
        if self._file is not None:
            self._file.flush()

    def _open(self, names):
        """Read what an earlier run left, and open the file to append."""
        kept = []
        if self.path.exists():
            with open(self.path, "rb") as lines:
                kept = self._read(lines)
            if sum(map(len, kept)) != self.path.stat().st_size:
                # At once or not at all: a kill must not lose the rest.
                with atomic_write(self.path) as file:
                    file.write(b"".join(kept))
        self._file = open(self.path, "a", encoding="utf-8")
        if not kept:
            self._write(names)
        if self.outcomes:
            _logger.info("%s: %d outcomes", self.path, len(self.outcomes))

    def _read(self, lines):
        """Lines that are whole, and of these examples."""
        kept = []
        for line in lines:
            content = _parsed(line, is_first=not kept)
            if content is None:
                break
            if kept:
                if not self._is_known(content):
                    continue
                self.outcomes[content.index] = content
            kept.append(line)
        return kept

    def _is_known(self, outcome):
        if self._digests is None:
            return True
        known = self._digests[outcome.index : outcome.index + 1]
        return known == [outcome.example]

    def _write(self, content):
        json.dump(content, self._file)
        self._file.write("\n")


def _parsed(line, is_first):
    """A line's outcome, or its names if it is the first; `None` if cut."""
    if not line.endswith(b"\n"):
        return None
    try:
        content = json.loads(line)
        if is_first:
            return content
        for name in ("log_likelihoods", "num_tokens"):
            content[name] = tuple(content[name])
        return Outcome(**content)
    except (ValueError, TypeError, KeyError):
        return None


def _file_name(names):
    """A name that people can read, and that no other evaluation has."""
    text = json.dumps(names, sort_keys=True)
    digest = hashlib.blake2b(text.encode(), digest_size=6).hexdigest()
    shots, seed = names.get("shots", 0), names.get("seed", 0)
    return f"{names['task']}-shots{shots}-seed{seed}-{digest}"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """A model's answer to one example, as a line of the results cache."""

    index: int
    shots: int
    predicted: int | str | None
    correct: float | None
    log_likelihoods: tuple = ()
    num_tokens: tuple = ()
    example: str = ""


# === What an outcome depends on ===


def content_digest(task, train, is_one_split):
    """What changes if the task, or what is drawn from, does."""
    digest = hashlib.blake2b(digest_size=8)
    digest.update(repr((dataclasses.astuple(task), is_one_split)).encode())
    for example in train:
        digest.update(example.digest.encode())
    return digest.hexdigest()


# Bytes that are read at a time.
_CHUNK_BYTES = 1 << 26


def model_fingerprint(model):
    """Make a short text of all that a model's answers depend on.

    That is its weights and config, its tokenizer, what the preprocessor puts
    before a text, and the version of the package.
    """
    digest = hashlib.blake2b(digest_size=8)
    config = model.backbone.get_config()
    config.pop("name")
    parts = [__version__, config, _preprocessor_parts(model.preprocessor)]
    digest.update(json.dumps(parts, sort_keys=True, default=str).encode())
    for variable in model.backbone.weights:
        array = np.ascontiguousarray(variable)
        data = memoryview(array.reshape(-1).view("uint8"))
        for start in range(0, len(data), _CHUNK_BYTES):
            digest.update(data[start : start + _CHUNK_BYTES])
    return digest.hexdigest()


def _preprocessor_parts(preprocessor):
    """How texts become ids, `None` where ids are all there is."""
    if preprocessor is None:
        return None
    tokenizer = preprocessor.tokenizer
    return {
        "vocabulary": tokenizer.vocabulary,
        "merges": tokenizer.merges,
        "special_tokens": tokenizer.special_tokens,
        "roles": [
            tokenizer.start_token,
            tokenizer.end_token,
            tokenizer.pad_token,
        ],
        "split_special_tokens": tokenizer.split_special_tokens,
        "add_start_token": preprocessor.add_start_token,
        "sequence_length": preprocessor.sequence_length,
    }
