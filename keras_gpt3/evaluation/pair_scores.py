"""Likelihoods of many continuations, in token ids: what is shared read once."""

from keras_gpt3.evaluation.shared_batches import SharedBatches


class PairScores:
    """Scores continuations of contexts, as they are found.

    Each different pair is scored once, what contexts share is computed once,
    and batches hold pairs of like lengths, the longest first. The scores are
    those of `GPT3.score` for whole contexts.

    Args:
        model: `GPT3`.
        batch_size: int. Pairs that the model reads at a time. Defaults to `8`.

    Call arguments:
        pairs: list of pairs of context and continuation, sequences of ints
            that fit the model's context; neither is empty.

    Yields:
        Pairs of an index of `pairs` and its `ContinuationScore`, in any order.

    Example:

    ```python
    import keras_gpt3
    from keras_gpt3.evaluation.pair_scores import PairScores

    model = keras_gpt3.GPT3.from_preset("gpt3_small_en", num_layers=1)
    score = PairScores(model)
    pairs = [([464, 3139], [286]), ([464, 3139], [286, 4881])]
    found = dict(score(pairs))
    found[0].log_likelihood
    ```
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
