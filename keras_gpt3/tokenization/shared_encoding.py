"""One encoding for all who load the same vocabulary files."""

import functools
import pathlib

from keras_gpt3.tokenization.byte_pair_encoding import BytePairEncoding
from keras_gpt3.tokenization.vocabulary import read_vocabulary


def shared_byte_pair_encoding(
    vocabulary_path, merges_path, special_tokens=("<|endoftext|>",)
):
    """Builds an encoding from two files, or returns the one built before.

    Building takes 0.2 s and 50 MB, and eight presets share one vocabulary.
    Looks at the files' content, so a file that changed is read anew.
    """
    paths = vocabulary_path, merges_path
    contents = (pathlib.Path(path).read_text("utf-8") for path in paths)
    return _build(*contents, tuple(special_tokens))


@functools.lru_cache(maxsize=4)
def _build(vocabulary_json, merges_text, special_tokens):
    """Builds an encoding from the content of its files."""
    return BytePairEncoding(
        read_vocabulary(vocabulary_json),
        merges_text.splitlines(),
        special_tokens,
    )
