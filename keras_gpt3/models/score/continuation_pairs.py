"""From texts or ids to pairs of context and continuation, as token ids."""

import numbers

import numpy as np

from keras_gpt3.generation.prompt_messages import TRUNCATE
from keras_gpt3.models.generate.prompt_batch import encoded_entries
from keras_gpt3.tokenization.tokenizer_inputs import truncate_left


def continuation_pairs(model, context, continuation, follows_prefix=False):
    """Bring what `GPT3.score` takes to pairs of lists of ids.

    Both sides are encoded apart. An empty context becomes the end of text,
    which stands before each document in training; a preprocessor that adds a
    start token adds it to texts here as well.
    """
    contexts, _ = _entries("context", context)
    continuations, is_single = _entries("continuation", continuation)
    if len(contexts) == 1:
        contexts = contexts * len(continuations)
    if len(contexts) != len(continuations):
        raise ValueError(
            "context must have one entry for each continuation. Received: "
            f"contexts={len(contexts)}, continuations={len(continuations)}. "
            "Pass lists of equal length, or a single context."
        )
    add_start_token = not follows_prefix
    contexts = encoded_entries(model, "context", contexts, add_start_token)
    continuations = encoded_entries(model, "continuation", continuations)
    if not all(continuations):
        raise ValueError(
            "continuation must have at least one token. Received: continuation "
            f"{continuations.index([])} with 0 tokens. Move the end of its "
            "context to it."
        )
    if not follows_prefix:
        contexts = [ids or _empty_context(model) for ids in contexts]
    return list(zip(contexts, continuations, strict=True)), is_single


def fit_to_window(
    pairs, max_sequence_length, truncate=None, num_before=0, preprocessor=None
):
    """Check that pairs fit into the context window, or make them fit.

    The last token is only predicted, never read, so that a pair may have one
    token more than the window.
    """
    if truncate not in (None, "left"):
        raise ValueError(f"{truncate}".join(TRUNCATE))
    window = max_sequence_length - num_before
    # After a prefix, which has the start token, a context has none.
    start = [] if num_before else _added_start(preprocessor)
    return [_fit(*pair, window, truncate, num_before, start) for pair in pairs]


def _fit(context, continuation, window, truncate, num_before, start):
    if len(continuation) > window:
        raise ValueError(
            "continuation must have at most max_sequence_length="
            f"{window + num_before} tokens. Received: "
            f"{num_before + len(continuation)} tokens. Score it in parts."
        )
    room = window + 1 - len(continuation)
    if len(context) > room and truncate is None:
        raise ValueError(
            "context and continuation must have at most max_sequence_length + "
            f"1 = {num_before + window + 1} tokens. Received: "
            f"{num_before + len(context)} + {len(continuation)} tokens. "
            "Shorten the context, or set truncate to left."
        )
    num_starts = len(start) if context[: len(start)] == start else 0
    return truncate_left(context, room, num_starts), continuation


def _added_start(preprocessor):
    """A list of the start token that it puts before texts, or of none."""
    if preprocessor is None or not preprocessor.add_start_token:
        return []
    return [preprocessor.tokenizer.start_token_id]


def _entries(name, value):
    """A list of strings and lists of ids, and whether it was only one."""
    value = _as_lists(value)
    is_single = _is_entry(value)
    entries = [value]
    if not is_single and isinstance(value, (list, tuple)):
        entries = [_as_lists(entry) for entry in value]
    for entry in entries:
        if not _is_entry(entry):
            raise ValueError(
                f"{name} must be a string or a list of token ids, or a list "
                f"of either. Received: type={type(entry).__name__}. Pass a "
                "string."
            )
    return entries, is_single


def _is_entry(value):
    """Whether it is a string or the ids of one sequence."""
    if isinstance(value, (list, tuple)):
        return all(isinstance(id, numbers.Number) for id in value)
    return isinstance(value, str)


def _as_lists(value):
    # An array, or any backend's tensor.
    is_array = hasattr(value, "__array__")
    return np.asarray(value).tolist() if is_array else value


def _empty_context(model):
    if model.preprocessor is None:
        raise ValueError(
            "context must have at least one token where no preprocessor is "
            "attached. Received: context with 0 tokens. Pass the id of the "
            "end of text to start from nothing."
        )
    return [model.preprocessor.tokenizer.start_token_id]
