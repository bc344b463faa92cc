"""Likelihoods of many rows, what they share read once."""

import itertools

from keras_gpt3.evaluation.kept_prefix import KeptPrefix

# Rows from which on a cache of what they share pays: it has a shape, and so a
# graph, of its own, which takes as long to trace as many rows to read.
_FEWEST = 16


class RowScores:
    """Scores continuations of a shared text and a context.

    Rows that share a text are scored after its cache, unless there are but a
    few of them; all others together, in batches of like lengths.

    Args:
        model: `GPT3` with a preprocessor.
        batch_size: int. Rows that the model reads at a time. Defaults to `8`.

    Example:

    ```python
    import keras_gpt3
    from keras_gpt3.evaluation.row_scores import RowScores

    model = keras_gpt3.GPT3.from_preset("gpt3_small_en", num_layers=1)
    score = RowScores(model)
    score([("Grass is green.", " Snow is", " white")])[0].log_likelihood
    ```
    """

    def __init__(self, model, batch_size=8):
        self._model, self._batch_size = model, batch_size
        # A text's rows may go on in the next call.
        self._prefix_of = KeptPrefix(model)

    def __call__(self, rows):
        """Scores rows.

        Args:
            rows: list of triples of strings: shared text, context and
                continuation.

        Returns:
            A list of `ContinuationScore`.
        """
        places = sorted(range(len(rows)), key=lambda i: rows[i][0])
        found, single = {}, []
        for text, group in itertools.groupby(places, lambda i: rows[i][0]):
            group = list(group)
            if text and (len(group) >= _FEWEST or self._prefix_of.holds(text)):
                scores = self._after(text, [rows[i][1:] for i in group])
                found |= zip(group, scores, strict=True)
            else:
                single += group
        found |= zip(
            single, self._alone([rows[i] for i in single]), strict=True
        )
        return [found[i] for i in range(len(rows))]

    def _after(self, text, rows):
        """Scores after the cache of a text."""
        contexts, continuations = map(list, zip(*rows, strict=True))
        return self._prefix_of(text).score(
            contexts, continuations, batch_size=self._batch_size
        )

    def _alone(self, rows):
        """Scores of whole rows, the parts encoded apart as with a cache."""
        if not rows:
            return []
        preprocessor = self._model.preprocessor
        encode = preprocessor.tokenizer.encode_to_numpy
        contexts = [
            [*preprocessor.prompt_ids([text])[0], *encode(context).tolist()]
            if text
            else context
            for text, context, _ in rows
        ]
        return self._model.score(
            contexts,
            [continuation for *_, continuation in rows],
            batch_size=self._batch_size,
        )
