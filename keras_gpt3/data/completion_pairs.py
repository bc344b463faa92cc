"""Reads pairs of prompt and completion, from lists or JSON-lines files."""

import os

import numpy as np

from keras_gpt3.argument_checks import check_integer
from keras_gpt3.argument_checks import echoed
from keras_gpt3.data.json_objects import read_json_objects
from keras_gpt3.tokenization.tokenizer_inputs import truncate_left

# The second name is that of evaluation tasks.
_PROMPT_KEYS = ("prompt", "context")
_SHAPE = 'an object with the strings "prompt" (or "context") and "completion"'
# Of the keys that a message shows.
_MOST_KEYS, _MOST_LETTERS = 5, 30


class FilePair(tuple):
    """A pair `(prompt, completion)` that knows where it was read."""


def read_completion_pairs(source):
    """Read what a model is to answer, and to what.

    Args:
        source: path, or iterable of dicts or of pairs of strings. A file is
            `.jsonl` or `.jsonl.gz`, with one object a line. An object or
            dict has the strings `"prompt"`, or else `"context"`, and
            `"completion"`; other keys are left alone.

    Returns:
        A list of pairs `(prompt, completion)` of strings. Those of a file are
        of class `FilePair`, so that later messages can name the line.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a pair is damaged or has an empty completion, the file
            has another suffix or is not UTF-8, or there is no pair.

    Example:

    ```python
    from keras_gpt3.data import read_completion_pairs

    pairs = [{"prompt": "Q: What is 98 plus 45? A:", "completion": " 143"}]
    read_completion_pairs(pairs)
    # [("Q: What is 98 plus 45? A:", " 143")]
    ```
    """
    if isinstance(source, (str, os.PathLike)):
        path = os.fspath(source)
        pairs, where = _read_file(path), f"file='{path}', which holds none"
    else:
        pairs, where = _read_entries(source), "an empty list"
    if not pairs:
        raise ValueError(
            "There must be at least one pair of prompt and completion. "
            f"Received: {where}. Add some."
        )
    return pairs


def pair_origin(pair, number):
    """What a message calls a pair."""
    if isinstance(pair, FilePair):
        return pair.where
    return f"pair {number}"


def _read_file(path):
    pairs = []
    for where, entry in read_json_objects(path, "pairs"):
        pair = FilePair(_checked(*_texts(entry, where), where))
        pair.where = where
        pairs.append(pair)
    return pairs


def _read_entries(source):
    try:
        entries = enumerate(source, start=1)
    except TypeError:
        raise ValueError(
            "Pairs must be a path, or an iterable of dicts or pairs. Received: "
            f"type={type(source).__name__}. Pass a list."
        ) from None
    return [_entry(entry, pair_origin(entry, n)) for n, entry in entries]


def _entry(entry, where):
    """A pair of an iterable; one that was read from a file stays as it is."""
    if isinstance(entry, FilePair):
        return entry
    if isinstance(entry, dict):
        return _checked(*_texts(entry, where), where)
    is_sequence = isinstance(entry, (tuple, list))
    if not is_sequence or len(entry) != 2:
        reason = f"it is of type {type(entry).__name__}"
        if is_sequence:
            reason = f"it has {len(entry)} entries"
        raise ValueError(
            f"A pair must be two strings, or {_SHAPE}. Received: {where} "
            f"({reason}). Correct or remove it."
        )
    return _checked(*entry, where)


def _texts(entry, where):
    """The values of a dict that should be the two strings."""
    prompt_keys = [key for key in _PROMPT_KEYS if key in entry]
    if len(prompt_keys) > 1:
        raise ValueError(
            'A pair must have one of "prompt" and "context". Received: '
            f"{where} with both. Remove one."
        )
    if not prompt_keys or "completion" not in entry:
        missing = "completion" if prompt_keys else "prompt"
        raise _damaged(where, f'no "{missing}" among {_key_words(entry)}')
    return entry[prompt_keys[0]], entry["completion"]


def _key_words(entry):
    """The keys of a dict, as far as a message can show them."""
    keys = [repr(key)[:_MOST_LETTERS] for key in entry]
    more = ["..."] if len(keys) > _MOST_KEYS else []
    return f"the keys [{', '.join(keys[:_MOST_KEYS] + more)}]"


def _checked(prompt, completion, where):
    """The pair of what should be two strings that can be encoded."""
    for name, text in (("prompt", prompt), ("completion", completion)):
        if not isinstance(text, str):
            kind = type(text).__name__
            raise _damaged(where, f"its {name} is of type {kind}")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            # Escapes can spell half a character.
            raise _damaged(where, f"its {name}: {error}") from error
    if not completion:
        raise ValueError(
            "A completion must have at least one character. Received: "
            f"{where} with an empty one. Fill or remove it."
        )
    return prompt, completion


def _damaged(where, reason):
    return ValueError(
        f"A pair must be {_SHAPE}. Received: {where} ({reason}). Correct or "
        "remove it."
    )


class CompletionExamples:
    """Encoded pairs of prompt and completion, each joined to one sequence.

    Prompt and completion are encoded apart, as `GPT3.score` does, so that no
    token spans the boundary. A sequence is the prompt, with a start token if
    the preprocessor adds one, the completion and, if it adds one, the end of
    text. An empty prompt becomes the end of text.

    Args:
        pairs: iterable of pairs of strings or of dicts, or path. What
            `read_completion_pairs` reads.
        preprocessor: `GPT3Preprocessor`.
        sequence_length: int. Tokens of a context. Defaults to `None`, that of
            the preprocessor.
        truncate: string. `"left"` drops the start of a prompt, after the start
            token, where the pair is longer than a context. Defaults to `None`,
            which raises.

    Attributes:
        sequences: list of int32 arrays, a pair's tokens each.
        num_given: list of ints. How many tokens of each are the prompt.
        sequence_length: int.

    Raises:
        FileNotFoundError: If there is no such file.
        TypeError: If the preprocessor holds no tokenizer.
        ValueError: If a pair is damaged or too long, or `truncate` is neither.

    Example:

    ```python
    import keras_gpt3

    preprocessor = keras_gpt3.GPT3Preprocessor.from_preset("gpt3_small_en")
    examples = keras_gpt3.data.CompletionExamples(
        [("The cat sat on the", " mat")], preprocessor
    )
    examples.num_completion_tokens  # 2: " mat" and the end of text.
    ```
    """

    def __init__(
        self, pairs, preprocessor, sequence_length=None, truncate=None
    ):
        if getattr(preprocessor, "tokenizer", None) is None:
            raise TypeError(
                "preprocessor must be a GPT3Preprocessor, which holds the "
                f"tokenizer. Received: preprocessor={echoed(preprocessor)}. "
                "Pass model.preprocessor of a model that was loaded with one."
            )
        if sequence_length is None:
            sequence_length = preprocessor.sequence_length
        check_integer("sequence_length", sequence_length, minimum=1)
        if truncate not in (None, "left"):
            raise ValueError(
                f"truncate must be None or 'left'. Received: truncate="
                f"{echoed(truncate)}. Pass 'left' to drop the start of prompts "
                "that are too long."
            )
        self.sequence_length = sequence_length
        self.sequences, self.num_given = [], []
        num_starts = int(preprocessor.add_start_token)
        pairs = read_completion_pairs(pairs)
        encoded = zip(*_encode(pairs, preprocessor), strict=True)
        for index, (prompt, completion) in enumerate(encoded):
            room = sequence_length + 1 - len(completion)
            if room < 1 or (len(prompt) > room and truncate is None):
                where = pair_origin(pairs[index], index + 1)
                raise _too_long(prompt, completion, sequence_length, where)
            prompt = truncate_left(prompt, room, num_starts)
            self.sequences.append(np.array(prompt + completion, "int32"))
            self.num_given.append(len(prompt))

    def __len__(self):
        return len(self.sequences)

    @property
    def num_completion_tokens(self):
        """int. The tokens that the loss is a mean over."""
        return sum(map(len, self.sequences)) - sum(self.num_given)


def _encode(pairs, preprocessor):
    """Two lists of lists of ids: what is given, and what is to follow."""
    # Each text once: few completions answer many prompts in some tasks.
    prompts, completions = zip(*pairs, strict=True)
    end = [preprocessor.tokenizer.end_token_id]
    given = _encode_once(preprocessor, prompts, add_start_token=True)
    followed = _encode_once(preprocessor, completions, add_start_token=False)
    given = [ids or end for ids in given]
    if preprocessor.add_end_token:
        followed = [ids + end for ids in followed]
    return given, followed


def _encode_once(preprocessor, texts, add_start_token):
    different = list(dict.fromkeys(texts))
    ids = preprocessor.prompt_ids(different, add_start_token)
    ids = {text: list(x) for text, x in zip(different, ids, strict=True)}
    return [ids[text] for text in texts]


def _too_long(prompt, completion, sequence_length, where):
    """The error for a pair; its last token is only predicted, never read."""
    if len(completion) > sequence_length:
        return ValueError(
            "A completion must leave room for a token before it. Received: "
            f"{where} with {len(completion)} tokens to predict, "
            f"sequence_length={sequence_length}. Shorten it or use a longer "
            "context."
        )
    return ValueError(
        "A pair must have at most sequence_length + 1 = "
        f"{sequence_length + 1} tokens. Received: {where} with "
        f"{len(prompt)} + {len(completion)} tokens. Shorten its prompt, "
        "or set truncate to left."
    )
