"""From answers as token ids to texts."""

import numpy as np

from keras_gpt3.generation.stop_strings import cut_at_stop


class AnswerTexts:
    """The texts of answers, cut at stop strings."""

    def __init__(self, tokenizer, prompt_mask, stop=()):
        self._tokenizer = tokenizer
        self._prompt_mask = prompt_mask
        # As bytes: an exported graph compares them, too.
        self._stop = tuple(string.encode() for string in stop)

    def decode(self, answers, strip_prompt=False):
        """Decodes answers."""
        texts = [found for found, _ in self._cut(answers)]
        if not strip_prompt:
            prompts = self._rows(answers.token_ids, self._prompt_mask)
            texts = [a + b for a, b in zip(prompts, texts, strict=True)]
        return [text.decode("utf-8", "replace") for text in texts]

    def have_stopped(self, answers):
        """Which answers hold a stop string."""
        return np.array([stopped for _, stopped in self._cut(answers)])

    def _cut(self, answers):
        """Pairs of an answer's bytes and whether a stop string cut them."""
        mask = answers.padding_mask & ~self._prompt_mask
        rows = self._rows(answers.token_ids, mask)
        return [cut_at_stop(row, self._stop) for row in rows]

    def _rows(self, token_ids, mask):
        rows = zip(token_ids, mask, strict=True)
        return [spell(self._tokenizer, ids[is_in]) for ids, is_in in rows]


def spell(tokenizer, token_ids):
    """The bytes of tokens, special ones left out."""
    is_special = np.isin(token_ids, tokenizer.special_token_ids)
    return tokenizer.encoding.decode_bytes(token_ids[~is_special])
