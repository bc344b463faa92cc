"""From prompts to a batch of ids: checks, lengths, shared prefixes."""

import itertools
import typing

import keras
import numpy as np
from keras import ops

from keras_gpt3.argument_checks import echoed
from keras_gpt3.generation.prompt_messages import EMPTY_PROMPT
from keras_gpt3.generation.prompt_messages import NO_PROMPTS
from keras_gpt3.generation.prompt_messages import PADDING
from keras_gpt3.generation.prompt_messages import too_long_message
from keras_gpt3.ops.attention.cached_attention import grow_ring
from keras_gpt3.ops.attention.cached_attention import ring_size
from keras_gpt3.ops.sequence_checks import check_sequence_length
from keras_gpt3.ops.sequence_checks import check_token_ids
from keras_gpt3.tokenization.tokenizer_inputs import truncate_left


class PromptBatch(typing.NamedTuple):
    """Prompts, and where their answers must end."""

    token_ids: np.ndarray
    padding_mask: np.ndarray
    ends: np.ndarray

    @property
    def lengths(self):
        """The prompts' numbers of tokens, an int array."""
        return self.padding_mask.sum(axis=1)

    def widened(self, length):
        """The batch with more padding, up to a length."""
        room = ((0, 0), (0, length - self.token_ids.shape[1]))
        return PromptBatch(
            np.pad(self.token_ids, room),
            np.pad(self.padding_mask, room),
            self.ends,
        )

    def repeated(self, count):
        """Each prompt so many times, one after the other."""
        return PromptBatch(*(np.repeat(x, count, axis=0) for x in self))


def batch_of_texts(model, texts, request, prefix=()):
    """Encode prompts."""
    preprocessor = model.preprocessor
    prompts = preprocessor.prompt_ids(texts, add_start_token=not prefix)
    prompts = [[*prefix, *ids] for ids in prompts]
    if not all(prompts):
        raise ValueError("0".join(EMPTY_PROMPT))
    length = request.max_length or preprocessor.sequence_length
    pad_token_id = preprocessor.tokenizer.pad_token_id
    # A prefix that is a text has the start token.
    num_kept = len(prefix) or int(preprocessor.add_start_token)
    cut = _cut(model, prompts, request, length, len(prefix), num_kept)
    return _padded(model, cut, request, length, pad_token_id)


def batch_of_ids(model, inputs, request, prefix=()):
    """Check prompts that are given as token ids."""
    inputs = check_prompt(inputs)
    token_ids, padding_mask = inputs["token_ids"], inputs["padding_mask"]
    check_token_ids(token_ids, model.backbone.vocabulary_size)
    rows = zip(token_ids, padding_mask, strict=True)
    prompts = [[*prefix, *ids[mask].tolist()] for ids, mask in rows]
    length = max(request.max_length or 0, len(prefix) + token_ids.shape[1])
    context = model.backbone.max_sequence_length
    if request.max_new_tokens is None:
        # The padding is room for an answer, of which there may be too much.
        length = min(length, context) if request.truncate else length
        check_sequence_length(length, context)
    cut = _cut(model, prompts, request, length, len(prefix), len(prefix))
    return _padded(model, cut, request, length, 0)


def _cut(model, prompts, request, max_length, num_before, num_kept):
    """Prompts cut to what leaves room, if requested and there is any."""
    context, new = model.backbone.max_sequence_length, request.max_new_tokens
    # An answer has at least one token.
    longest = context - new if new else max_length - 1
    if request.truncate != "left" or longest <= num_before:
        return prompts
    return [truncate_left(ids, longest, num_kept) for ids in prompts]


def _padded(model, prompts, request, max_length, pad_token_id):
    """Lists of ids as a batch."""
    context, new = model.backbone.max_sequence_length, request.max_new_tokens
    lengths = np.array([len(ids) for ids in prompts], "int32")
    ends = lengths + new if new else np.full_like(lengths, max_length)
    if new and ends.max() > context:
        raise ValueError(f"{ends.max()}".join(too_long_message(context)))
    if lengths.max() > ends.max():
        raise ValueError(
            "A prompt must fit sequence_length. Received: a prompt of "
            f"{lengths.max()} tokens, sequence_length={ends.max()}. Shorten "
            "the prompt, raise `max_length` (`sequence_length`), or set "
            "truncate to left."
        )
    padding_mask = np.arange(ends.max()) < lengths[:, None]
    token_ids = np.full(padding_mask.shape, pad_token_id, "int32")
    token_ids[padding_mask] = np.concatenate(prompts)
    return PromptBatch(token_ids, padding_mask, ends)


def check_prompt(inputs):
    """Bring a prompt of token ids to arrays and check its form."""
    if not isinstance(inputs, dict):
        raise ValueError(
            "A prompt must be a dict of token_ids and padding_mask where no "
            f"preprocessor is attached. Received: type={type(inputs).__name__}."
            " Attach a GPT3Preprocessor, or tokenize first."
        )
    if set(inputs) != {"token_ids", "padding_mask"}:
        raise ValueError(
            "A prompt must be a dict of token_ids and padding_mask. Received: "
            f"keys={sorted(inputs)}. Pass both, each of shape (batch, length)."
        )
    token_ids = np.asarray(inputs["token_ids"])
    mask = np.asarray(inputs["padding_mask"], "bool")
    if token_ids.ndim != 2 or mask.shape != token_ids.shape:
        raise ValueError(
            "token_ids and padding_mask must share one shape (batch, length). "
            f"Received: shapes={token_ids.shape} and {mask.shape}. Pad shorter "
            "prompts on the right, and mark them in the mask."
        )
    if not len(mask):
        raise ValueError("0".join(NO_PROMPTS))
    lengths = mask.sum(axis=1)
    if not lengths.all():
        raise ValueError(
            "A prompt must have at least one token. Received: padding_mask "
            f"with no True in row {int(np.argmin(lengths))}. Start with the "
            "end-of-text id to start from nothing."
        )
    if (mask[:, 1:] & ~mask[:, :-1]).any():
        raise ValueError(echoed(mask.tolist()).join(PADDING))
    return {"token_ids": token_ids, "padding_mask": mask}


def prompt_texts(inputs):
    """Bring prompts to a list of strings."""
    if isinstance(inputs, dict) and "token_ids" not in inputs:
        raise ValueError(
            "inputs must be a string or a list of strings. Received: a dict "
            f"with the keys {sorted(map(str, inputs))}. Pass the strings alone."
        )
    if isinstance(inputs, dict):
        raise ValueError(
            "inputs must be strings where a preprocessor is attached. "
            "Received: inputs=dict of ids. Set model.preprocessor = None "
            "to generate from ids."
        )
    # An array, or a tensor: on JAX as well strings are TensorFlow's.
    if hasattr(inputs, "__array__"):
        inputs = np.asarray(inputs).tolist()
    is_single = isinstance(inputs, (str, bytes))
    if not is_single and not isinstance(inputs, (list, tuple)):
        raise ValueError(
            "inputs must be a string or a list of strings. Received: type="
            f"{type(inputs).__name__}. Pass the text to continue."
        )
    texts = [inputs] if is_single else list(inputs)
    if not texts:
        raise ValueError("0".join(NO_PROMPTS))
    # Tensors hold bytes; the tokenizer refuses those that are not UTF-8.
    texts = [
        text.decode("utf-8", "surrogateescape")
        if isinstance(text, bytes)
        else text
        for text in texts
    ]
    return texts, is_single


def prefix_ids(model, prefix):
    """Bring a prefix to token ids."""
    ids = np.asarray(prefix).tolist() if ops.is_tensor(prefix) else prefix
    if not isinstance(ids, (str, list, tuple, np.ndarray)):
        raise ValueError(
            "prefix must be a string or a list of token ids. Received: type="
            f"{type(ids).__name__}. Pass what the prompts start with."
        )
    (ids,) = encoded_entries(model, "prefix", [ids], add_start_token=True)
    if not ids:
        raise ValueError("0".join(EMPTY_PROMPT))
    # One position is left for an answer.
    check_sequence_length(len(ids) + 1, model.backbone.max_sequence_length)
    return ids


def encoded_entries(model, name, entries, add_start_token=False):
    """A list of ids for each text or sequence of ids, checked."""
    preprocessor = model.preprocessor
    # Each text once: a context is often that of several continuations.
    texts = list(dict.fromkeys(e for e in entries if isinstance(e, str)))
    if texts and preprocessor is None:
        raise ValueError(
            f"{name} must be token ids where no preprocessor is attached. "
            "Received: type=str. Attach a GPT3Preprocessor, or tokenize first."
        )
    encoded = {}
    if texts:
        encoded = preprocessor.prompt_ids(texts, add_start_token)
        encoded = dict(zip(texts, encoded, strict=True))
    ids = [
        encoded[entry] if isinstance(entry, str) else list(entry)
        for entry in entries
    ]
    flat = list(itertools.chain.from_iterable(ids))
    if flat:
        check_token_ids(flat, model.backbone.vocabulary_size, name)
    return [list(map(int, row)) for row in ids]


def check_prefix(model, prefix):
    """Raise unless a prefix was made by a model."""
    if prefix is None or getattr(prefix, "model", None) is model:
        return
    raise ValueError(
        "prefix must be what this model's prefix(text) returned. Received: "
        f"type={type(prefix).__name__}. Call model.prefix first."
    )


class PromptPrefix:
    """A beginning that prompts share, such as the examples of a few-shot task.

    `GPT3.prefix` makes it. Its keys and values are computed once; `generate`,
    `stream` and `score` continue from there with what each prompt adds. Prefix
    and prompt are encoded apart, so that no token spans the boundary: the
    space before a word belongs to the prompt. Weights that are trained, loaded
    or quantized later do not reach it.
    """

    def __init__(self, model, token_ids):
        self.model = model
        self.token_ids = tuple(int(i) for i in token_ids)
        length = self.num_tokens
        states, self._cache = model.decode_graphs().prefill(
            np.array([self.token_ids], "int32"), length, length
        )
        self._states = states[:, :length]

    @property
    def num_tokens(self):
        """Tokens of the prefix, an int."""
        return len(self.token_ids)

    def generate(self, inputs, *args, **kwargs):
        """Continue prompts that start with the prefix."""
        return self.model.generate(inputs, *args, prefix=self, **kwargs)

    def stream(self, inputs, *args, **kwargs):
        """Continue a prompt that starts with the prefix, piece by piece."""
        return self.model.stream(inputs, *args, prefix=self, **kwargs)

    def score(self, context, continuation, **kwargs):
        """Log-likelihoods of continuations of prefix and context."""
        return self.model.score(context, continuation, prefix=self, **kwargs)

    def repeated(self, rows, cache_length):
        """The states and cache of the prefix, for a batch and with room."""
        blocks = self.model.backbone.decoder_blocks
        grown = []
        for block, pair in zip(blocks, self._cache, strict=True):
            size = ring_size(cache_length, block.window)
            grown.append(tuple(grow_ring(ring, size) for ring in pair))
        return keras.tree.map_structure(
            lambda x: ops.repeat(x, rows, axis=0), (self._states, grown)
        )

    def states_after(self, token_ids):
        """The hidden states of tokens that follow, and of the one before."""
        rows, length = token_ids.shape
        states, cache = self.repeated(rows, self.num_tokens + length)
        after, _ = self.model.decode_graphs().forward(
            token_ids, cache, self.num_tokens
        )
        return ops.concatenate([states[:, -1:], after], axis=1)
