"""Batches of prompts whose common beginnings are read once."""

import os

from keras_gpt3.evaluation.shared_prefixes import shared_prefixes

# Prompts that pay for a prefix of a length of its own, which is a shape to
# trace. It is still cut a little, so that what happens to be alike in some of
# them does not give other lengths to others.
_MANY, _FINE = 16, 16


class SharedBatches:
    """Hands prompts out in batches, after the cache of what they share.

    The choices of a question share its prompt, questions of one draw their
    demonstrations. The last cache is kept: it serves the next call, too.
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
