"""Scores pairs of token ids for lm-evaluation-harness, in good batches."""

from keras_gpt3.evaluation.harness_prefixes import shared_prefixes


def score_pairs(model, pairs, batch_size=8):
    """Log-likelihoods of continuations, as they are found.

    Each different pair is scored once, what contexts share is computed once,
    and batches hold pairs of like lengths, the longest first.

    Args:
        model: a `GPT3`.
        pairs: list of pairs of context and continuation, lists of ints that
            fit the model's context.
        batch_size: int. Defaults to `8`.

    Yields:
        Pairs of an index of `pairs` and its `ContinuationScore`, in any order.

    Example:

    ```python
    import keras_gpt3
    from keras_gpt3.evaluation.harness_scores import score_pairs

    model = keras_gpt3.GPT3.from_preset("gpt3_small_en", num_layers=1)
    pairs = [([464, 3139], [286]), ([464, 3139], [286, 4881])]
    for index, score in score_pairs(model, pairs):
        score.log_likelihood
    ```
    """
    places = {}
    for index, pair in enumerate(pairs):
        places.setdefault(tuple(map(tuple, pair)), []).append(index)
    unique = list(places)
    # A prefix leaves the last token, from which the first is predicted.
    groups = shared_prefixes([context[:-1] for context, _ in unique])
    for length, members in groups:
        members = sorted(members, key=lambda i: -sum(map(len, unique[i])))
        shared = list(unique[members[0]][0][:length])
        prefix = model.prefix(shared) if shared else None
        for start in range(0, len(members), batch_size):
            batch = [unique[i] for i in members[start : start + batch_size]]
            scores = model.score(
                [list(context[length:]) for context, _ in batch],
                [list(continuation) for _, continuation in batch],
                batch_size=batch_size,
                prefix=prefix,
            )
            for pair, score in zip(batch, scores, strict=True):
                for place in places[pair]:
                    yield place, score
