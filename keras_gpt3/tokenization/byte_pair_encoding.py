"""GPT-2's byte-level byte-pair encoding, at the speed of tiktoken."""

import functools
import os
import pathlib
import re
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np

from keras_gpt3.argument_checks import echoed
from keras_gpt3.tokenization.tokenizer_inputs import check_text
from keras_gpt3.tokenization.vocabulary import BYTE_SYMBOLS
from keras_gpt3.tokenization.vocabulary import MISSING_BYTE
from keras_gpt3.tokenization.vocabulary import byte_name
from keras_gpt3.tokenization.vocabulary import check_merge_rules
from keras_gpt3.tokenization.vocabulary import check_vocabulary
from keras_gpt3.tokenization.vocabulary import read_merge_rules
from keras_gpt3.tokenization.vocabulary import read_vocabulary
from keras_gpt3.tokenization.vocabulary import spell_tokens
from keras_gpt3.tokenization.vocabulary import symbols_to_bytes

# A batch of fewer characters is done before threads have started.
_MIN_THREADED_CHARACTERS = 50_000


class BytePairEncoding:
    """GPT-2's encoding: text to exactly its token ids, and back.

    GPT-3 keeps GPT-2's "reversible tokenization" (section 2.1). Text is split
    into words, and in each word the pair of neighbours whose merge rule comes
    first is joined until no rule applies. Decoding gives back every text. Ids
    are the vocabulary's, whatever the order of the rules; a vocabulary may lack
    bytes, which texts must then not hold.

    Args:
        vocabulary: dict, or path. Token -> id with tokens in GPT-2's byte
            alphabet (a space is "Ġ"), or such a JSON file (`encoder.json`).
        merges: list of strings, or path. Rules "left right", the earliest
            first, or a file with one rule a line (`vocab.bpe`).
        special_tokens: tuple of strings. Tokens of `vocabulary` that are cut
            out of a text before its words are split, the first from the left
            and of two that begin at one place the longer. Defaults to
            `("<|endoftext|>",)`.

    Attributes:
        vocabulary: dict. Token -> id. Not to be changed.
        merges: list of strings. The rules, without a version line.
        special_tokens: tuple of strings.
        vocabulary_size: int. One more than the largest id.

    Raises:
        ValueError: If the vocabulary and the merges do not fit together.

    Example:

    ```python
    from keras_gpt3 import preset_loader
    from keras_gpt3.tokenization import BytePairEncoding

    encoding = BytePairEncoding(*preset_loader.vocabulary_paths())
    encoding.encode("Hello world<|endoftext|>")  # [15496, 995, 50256]
    encoding.decode([15496, 995])  # "Hello world"
    encoding.token_to_id("Ġthe")  # 262
    ```
    """

    def __init__(self, vocabulary, merges, special_tokens=("<|endoftext|>",)):
        self.vocabulary = read_vocabulary(_content(vocabulary))
        self.special_tokens = tuple(special_tokens)
        self._id_to_token = {id: t for t, id in self.vocabulary.items()}
        self.vocabulary_size = max(self._id_to_token, default=-1) + 1
        rules = read_merge_rules(_content(merges))
        self.merges = [f"{left} {right}" for left, right in rules]
        check_vocabulary(self.vocabulary, self.special_tokens)
        check_merge_rules(rules, self.vocabulary)
        self._id_to_bytes = spell_tokens(self.vocabulary, self.special_tokens)
        self._encoding, self._rank_to_id = build_tiktoken_encoding(
            self.vocabulary, rules, self.special_tokens
        )
        self._lacks_bytes = not self.vocabulary.keys() >= set(BYTE_SYMBOLS)

    def encode(self, text, split_special_tokens=False):
        """Turn a text into token ids.

        Args:
            text: string.
            split_special_tokens: bool. Whether "<|endoftext|>" in the text is
                ordinary text, as it must be in documents that one does not
                trust, and not the special token. Defaults to `False`.

        Returns:
            A list of int.

        Raises:
            ValueError: If `text` is not a string, or holds a lone surrogate
                or a byte that the vocabulary lacks.
        """
        parts, special = self._parts(text, split_special_tokens)
        ids = self._encode(parts[0], special)
        for part in parts[1:]:
            ids += self._encode(part, special)
        return ids

    def encode_to_numpy(self, text, split_special_tokens=False):
        """Turn a text into an array of token ids.

        Quicker than `encode` by the time that a Python object for each id
        takes, during which no other thread can run.

        Args:
            text: string.
            split_special_tokens: bool. Whether special tokens in a text are
                ordinary text. Defaults to `False`.

        Returns:
            An integer array `(length,)`. Not to be written to.

        Raises:
            ValueError: If `text` is not a string, or holds a lone surrogate
                or a byte that the vocabulary lacks.
        """
        parts, special = self._parts(text, split_special_tokens)
        arrays = [self._encode_to_numpy(part, special) for part in parts]
        return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)

    def _parts(self, text, split_special_tokens):
        """Cut a text where tiktoken needs it; find its special tokens."""
        check_text(text)
        special = () if split_special_tokens else self.special_tokens
        special = tuple(token for token in special if token in text)
        parts = [text]
        if are_nested(special):
            # tiktoken leaves open which of two counts; see `_encode`.
            parts = split_at_tokens(text, special)
        if len(text) >= LONG_RUN:
            parts = [
                piece
                for part in parts
                for piece in cut_long_whitespace(part, special)
            ]
        return parts, special

    def _encode(self, text, special):
        """Encode a text that tiktoken's matcher can bear."""
        if self._rank_to_id is not None:
            return self._encode_to_numpy(text, special).tolist()
        if not special:
            return self._encoding.encode_ordinary(text)
        if text in special:
            return [self.vocabulary[text]]
        return self._encoding.encode(
            text, allowed_special=set(special), disallowed_special=()
        )

    def _encode_to_numpy(self, text, special):
        """As `_encode`, but gives an array."""
        if text in special:
            return np.array([self.vocabulary[text]])
        ranks = self._encoding.encode_to_numpy(
            text, allowed_special=set(special), disallowed_special=()
        )
        if self._rank_to_id is None:
            return ranks
        ids = self._rank_to_id[ranks]
        if self._lacks_bytes and ids.min(initial=0) < 0:
            byte = self._encoding.decode_bytes([ranks[ids.argmin()]])[0]
            raise ValueError(byte_name(byte).join(MISSING_BYTE))
        return ids

    def encode_batch(self, texts, split_special_tokens=False, num_threads=None):
        """Turn several texts into token ids, in several threads.

        Args:
            texts: list of strings.
            split_special_tokens: bool. Whether special tokens in a text are
                ordinary text. Defaults to `False`.
            num_threads: int. Threads that encode. Defaults to `None`: the
                number of processors, or 1 where the texts are too short to
                gain.

        Returns:
            A list with a list of int for each text, in the texts' order.

        Raises:
            ValueError: If a text is not a string, or holds a lone
                surrogate or a byte that the vocabulary lacks.
        """
        encode = functools.partial(
            self.encode, split_special_tokens=split_special_tokens
        )
        if num_threads is None:
            short = sum(map(len, texts)) < _MIN_THREADED_CHARACTERS
            num_threads = 1 if short else os.cpu_count()
        if num_threads == 1 or len(texts) < 2:
            return [encode(text) for text in texts]
        with ThreadPoolExecutor(num_threads) as threads:
            return list(threads.map(encode, texts))

    def decode_bytes(self, ids):
        """Turn token ids into the bytes that they stand for.

        Args:
            ids: list of int, or integer array `(length,)`.

        Returns:
            A bytes object; UTF-8 where the ids came from `encode`.

        Raises:
            ValueError: An id is outside the vocabulary.
        """
        ids = ids.tolist() if hasattr(ids, "tolist") else ids
        try:
            return b"".join([self._id_to_bytes[id] for id in ids])
        except KeyError as error:
            raise self._unknown_id(error.args[0]) from None
        except TypeError:
            raise ValueError(
                f"ids must be a flat list of int. Received: ids={ids!r:.50}. "
                "Decode one sequence at a time."
            ) from None

    def decode(self, ids, errors="replace"):
        """Turn token ids into text.

        Args:
            ids: list of int, or integer array `(length,)`.
            errors: string. What to do with bytes that are no UTF-8, as in
                `bytes.decode`; a model may stop in the middle of a character.
                Defaults to `"replace"`.

        Returns:
            A string.

        Raises:
            ValueError: If an id is outside the vocabulary.
        """
        return self.decode_bytes(ids).decode("utf-8", errors)

    def token_to_id(self, token):
        """Look up the id of a token.

        Args:
            token: string. The token, in GPT-2's byte alphabet.

        Returns:
            An int.

        Raises:
            ValueError: If the vocabulary has no such token.
        """
        if token not in self.vocabulary:
            raise ValueError(
                "token must be in the vocabulary. Received: "
                f"token={echoed(token)}. Spell it in GPT-2's byte alphabet (a "
                "space is 'Ġ')."
            )
        return self.vocabulary[token]

    def id_to_token(self, id):
        """Look up the token of an id.

        Args:
            id: int. The id.

        Returns:
            A string in GPT-2's byte alphabet.

        Raises:
            ValueError: If the id is outside the vocabulary.
        """
        if id not in self._id_to_token:
            raise self._unknown_id(id)
        return self._id_to_token[id]

    def _unknown_id(self, id):
        return ValueError(
            "Token ids must be in the vocabulary, from 0 to "
            f"{self.vocabulary_size - 1}. Received: id={id}, "
            f"vocabulary_size={self.vocabulary_size}. Use the tokenizer that "
            "made the ids."
        )


def _content(source):
    """Read a path; anything else is content already."""
    if not isinstance(source, (str, os.PathLike)):
        return source
    with open(source, encoding="utf-8") as file:
        return file.read()


# GPT-2's pattern, with possessive repeats so that the matcher keeps no stack.
SPLIT_PATTERN = (
    r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++"
    r"|\s++$|\s+(?!\S)|\s"
)


def build_tiktoken_encoding(vocabulary, rules, special_tokens):
    """Number the tokens in merge order, as tiktoken wants them.

    Needs no network: nothing comes from tiktoken's own registry.
    """
    import tiktoken

    # Bytes that the vocabulary lacks come last, and have no id.
    last = len(vocabulary) + max(vocabulary.values(), default=0)
    symbols = sorted(BYTE_SYMBOLS, key=lambda s: vocabulary.get(s, last))
    tokens = [*symbols, *(left + right for left, right in rules)]
    encoding = tiktoken.Encoding(
        "keras_gpt3",
        pat_str=SPLIT_PATTERN,
        mergeable_ranks={symbols_to_bytes(t): r for r, t in enumerate(tokens)},
        special_tokens={
            token: rank
            for rank, token in enumerate(special_tokens, len(tokens))
        },
    )
    ids = np.array([vocabulary.get(t, -1) for t in (*tokens, *special_tokens)])
    same = np.array_equal(ids, np.arange(len(ids)))
    return encoding, None if same else ids


def are_nested(tokens):
    """Whether one token begins with another, at the same place."""
    # In order, what begins with a token comes right after it.
    return any(b.startswith(a) for a, b in pairwise(sorted(tokens)))


def split_at_tokens(text, tokens):
    """Cut a text before and after each of some tokens.

    The first token from the left counts, and of two that begin at one place
    the longer, as in Hugging Face's tokenizers.
    """
    longest_first = sorted(tokens, key=len, reverse=True)
    return re.split(f"({'|'.join(map(re.escape, longest_first))})", text)


# Past a million whitespace characters in a row the matcher's backtracking
# stack overflows and takes the process down; we cut well before.
LONG_RUN = 2**19

# Whitespace as Unicode has it. Python's own `\s` also holds U+001C to U+001F.
_WHITESPACE = re.compile(
    "[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*"
)


def cut_long_whitespace(text, special_tokens=(), long_run=LONG_RUN):
    """Cut a text so that no part holds a long whitespace run and what follows.

    GPT-2's splitting takes a run of whitespace up to its last character, and
    that one with what follows, so encoding the parts one by one gives the ids
    of the whole.
    """
    parts = []
    start = 0
    for end in _ends_of_long_runs(text, max(long_run // 2, 1)):
        if end < len(text) and not text.startswith(special_tokens, end):
            parts.append(text[start : end - 1])
            start = end - 1
    return [*parts, text[start:]]


def _ends_of_long_runs(text, stride):
    """Yield ends of runs, every one of length 2 * stride among them.

    Looks at one character a stride: a run of two strides has a whole stride
    to the right of one of them.
    """
    end = 0
    for position in range(0, len(text), stride):
        if position >= end:
            end = _WHITESPACE.match(text, position).end()
            if end - position >= stride:
                yield end


def shared_byte_pair_encoding(
    vocabulary_path, merges_path, special_tokens=("<|endoftext|>",)
):
    """Build an encoding from two files, or return the one built before.

    Building takes 0.2 s and 50 MB, and eight presets share one vocabulary.
    Looks at the files' content, so a file that changed is read anew.
    """
    paths = vocabulary_path, merges_path
    contents = (pathlib.Path(path).read_text("utf-8") for path in paths)
    return _build(*contents, tuple(special_tokens))


@functools.lru_cache(maxsize=4)
def _build(vocabulary_json, merges_text, special_tokens):
    """Build an encoding from the content of its files."""
    return BytePairEncoding(
        read_vocabulary(vocabulary_json),
        merges_text.splitlines(),
        special_tokens,
    )
