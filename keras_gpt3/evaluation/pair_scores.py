"""Likelihoods of many continuations, in token ids: what is shared read once."""

from keras_gpt3.evaluation.shared_batches import SharedBatches


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
