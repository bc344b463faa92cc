"""Batches of prompts whose common beginnings are read once."""

import os

import numpy as np

# Prompts that pay for a prefix of a length of its own, which is a shape to
# trace. It is still cut a little, so that what happens to be alike in some of
# them does not give other lengths to others.
_MANY, _FINE = 16, 16


class SharedBatches:
    """Hands prompts out in batches, after the cache of what they share.

    The choices of a question share its prompt, questions of one draw their
    demonstrations. The last cache is kept: it also serves the next call.
    Batches hold prompts of like lengths, the longest first.
    """

    def __init__(self, model, batch_size=8):
        self._model, self._batch_size = model, batch_size
        self._kept = None

    def __call__(self, prompts, answer, lengths=None):
        lengths = list(map(len, prompts)) if lengths is None else lengths
        # A prefix leaves the last token, from which the first is predicted.
        starts = [tuple(prompt[:-1]) for prompt in prompts]
        for shared, members in self._groups(starts):
            members = sorted(members, key=lambda i: -lengths[i])
            prefix = self._prefix(shared)
            for first in range(0, len(members), self._batch_size):
                batch = members[first : first + self._batch_size]
                yield from zip(batch, answer(batch, prefix), strict=True)
            prefix = None  # Its memory is free before the next one's.

    def texts(self, prompts, complete):
        """Pairs of a prompt's number and its text, of a function of batches.

        `complete` takes the numbers of prompts, arrays of what the prefix does
        not hold of them, and the prefix. Batches are filled up by repeating
        their last prompt: a loop of generation is compiled for each size.
        """

        def answer(batch, prefix):
            read = 0 if prefix is None else prefix.num_tokens
            size = min(self._batch_size, 2 ** (len(batch) - 1).bit_length())
            filled = batch + batch[-1:] * (size - len(batch))
            arrays = prompt_arrays([prompts[i][read:] for i in filled])
            return complete(filled, arrays, prefix)[: len(batch)]

        return self(prompts, answer)

    def _groups(self, starts):
        """Pairs of a beginning, perhaps empty, and who has it."""
        kept = self._kept.token_ids if self._kept else None
        after = [
            i for i, ids in enumerate(starts) if kept and _begins(ids, kept)
        ]
        if after:
            yield kept, after
        known = set(after)
        others = [i for i in range(len(starts)) if i not in known]
        for length, members in shared_prefixes([starts[i] for i in others]):
            members = [others[i] for i in members]
            if length and len(members) >= _MANY:
                common = os.path.commonprefix([starts[i] for i in members])
                length = max(length, len(common) // _FINE * _FINE)
            yield starts[members[0]][:length], members

    def _prefix(self, ids):
        if not ids:
            return None
        if self._kept is None or self._kept.token_ids != ids:
            self._kept = None
            self._kept = self._model.prefix(list(ids))
        return self._kept


def _begins(ids, start):
    return ids[: len(start)] == start


# Each length of a prefix costs traces of the model: few lengths.
_STEP = 128
# Fewer tokens are not worth a pass of their own, in a batch of one.
_LEAST_SAVED = 256


def shared_prefixes(contexts, step=_STEP, least_saved=_LEAST_SAVED):
    """Group contexts by what they start with.

    The choices of a question share its context, few-shot prompts share their
    demonstrations. Of the groups that hold each other those are taken that
    spare the model more tokens.
    """
    everything = list(range(len(contexts)))
    _, groups = _sparing(contexts, everything, step, step, least_saved)
    groups.sort(key=lambda group: -group[0])
    grouped = {index for _, members in groups for index in members}
    alone = [index for index in everything if index not in grouped]
    return [*groups, (0, alone)] if alone else groups


def _sparing(contexts, indices, length, step, least_saved):
    """Tokens spared, and the groups that spare them.

    The contexts of the indices are the same up to `length - step`.
    """
    by_start = {}
    for index in indices:
        if len(contexts[index]) >= length:
            start = tuple(contexts[index][length - step : length])
            by_start.setdefault(start, []).append(index)
    spared, groups = 0, []
    for members in by_start.values():
        here = (len(members) - 1) * length
        if not here:
            continue
        deeper, inner = _sparing(
            contexts, members, length + step, step, least_saved
        )
        if here >= max(deeper, least_saved):
            deeper, inner = here, [(length, members)]
        spared, groups = spared + deeper, groups + inner
    return spared, groups


def prompt_arrays(prompts):
    """Pad prompts to the arrays that a model continues."""
    lengths = np.array([len(ids) for ids in prompts])
    padding_mask = np.arange(lengths.max()) < lengths[:, None]
    token_ids = np.zeros(padding_mask.shape, "int32")
    token_ids[padding_mask] = np.concatenate(prompts)
    return {"token_ids": token_ids, "padding_mask": padding_mask}


class PairScores:
    """Scores continuations of contexts, as they are found.

    Each different pair is scored once, what contexts share is computed once,
    and batches hold pairs of like lengths, the longest first. The scores are
    those of `GPT3.score` for whole contexts.
    """

    def __init__(self, model, batch_size=8):
        self._model, self._batch_size = model, batch_size
        # A prefix may serve the next call.
        self._in_batches = SharedBatches(model, batch_size)

    def __call__(self, pairs):
        places = {}
        for index, pair in enumerate(pairs):
            places.setdefault(tuple(map(tuple, pair)), []).append(index)
        unique = list(places)

        def score(batch, prefix):
            read = 0 if prefix is None else prefix.num_tokens
            return self._model.score(
                [list(unique[i][0][read:]) for i in batch],
                [list(unique[i][1]) for i in batch],
                batch_size=self._batch_size,
                prefix=prefix,
            )

        contexts = [context for context, _ in unique]
        lengths = [sum(map(len, pair)) for pair in unique]
        for index, found in self._in_batches(contexts, score, lengths):
            for place in places[unique[index]]:
                yield place, found
