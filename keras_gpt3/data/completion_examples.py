"""Pairs of prompt and completion as token ids, ready to be laid out."""

import numpy as np

from keras_gpt3.data.completion_pairs import pair_origin
from keras_gpt3.data.completion_pairs import read_completion_pairs
from keras_gpt3.echoed_value import echoed
from keras_gpt3.integer_argument import check_integer
from keras_gpt3.tokenization.left_truncation import truncate_left


class CompletionExamples:
    """Encodes pairs of prompt and completion, and joins each to one sequence.

    Prompt and completion are encoded apart, as `GPT3.score` does, so that no
    token spans the boundary. A sequence is the prompt, with a start token if
    the preprocessor adds one, the completion and, if it adds one, the end of
    text. An empty prompt becomes the end of text.

    Args:
        pairs: list of pairs of strings, or anything else that
            `read_completion_pairs` takes: dicts, or the path of a file.
        preprocessor: `GPT3Preprocessor`.
        sequence_length: int. Tokens of a context. Defaults to `None`, that of
            the preprocessor.
        truncate: `None` to raise where a pair is longer than a context, or
            `"left"` to drop the start of its prompt, behind the start token.
            Defaults to `None`.

    Attributes:
        sequences: list of int32 arrays, a pair's tokens each.
        num_given: list of ints. How many tokens of each are the prompt.
        sequence_length: int.

    Raises:
        FileNotFoundError: If there is no such file.
        TypeError: If the preprocessor is none, or holds no tokenizer.
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
