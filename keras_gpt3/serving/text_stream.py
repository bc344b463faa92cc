"""One answer in pieces, through the signatures that go on with a cache."""

import numpy as np

from keras_gpt3.export.cache_tensors import CACHE_NAMES
from keras_gpt3.generation.text_pieces import TextPieces
from keras_gpt3.tokenization.left_truncation import truncate_left

_SETTINGS = ("temperature", "top_k", "top_p", "seed")
# The first token comes as soon as it is there; later ones share what a call
# of the graph costs besides its tokens.
_TOKENS_A_PIECE = 4


class TextStream:
    """Continues a prompt, a few tokens at each call.

    The pieces together are the text that `generate` gives for the same row.
    """

    def __init__(self, model, row):
        prompts = np.array([row["prompts"]], object)
        answer = model.call("tokenize", {"texts": prompts})
        (ids,) = answer["token_ids"].tolist()
        (start,) = answer.get("start_token_ids", np.empty((1, 0))).tolist()
        ids, new = start + ids, row["max_new_tokens"]
        if row["truncate"]:
            ids = truncate_left(ids, model.context - new, len(start))
        ids = np.array([ids], "int32")
        self.finish_reason = None
        self.num_tokens = 0
        self.num_prompt_tokens = ids.shape[1]
        self._model = model
        self._pieces = TextPieces([s.decode() for s in row["stop"]])
        self._end = ids.shape[1] + new
        answer = model.call_on_tensors(
            "prefill", {"token_ids": ids, "cache_length": np.array(self._end)}
        )
        self._state = {name: answer[name] for name in CACHE_NAMES}
        self._state |= {
            "token_ids": np.pad(ids, ((0, 0), (0, new))),
            "index": np.array(ids.shape[1]),
        }
        self._settings = {name: np.array(row[name]) for name in _SETTINGS}

    def advance(self):
        """Generates a few more tokens."""
        start = int(self._state["index"])
        step = _TOKENS_A_PIECE if self.num_tokens else 1
        end = np.array(min(start + step, self._end))
        inputs = self._state | self._settings | {"end": end}
        answer = self._model.call_on_tensors("extend", inputs)
        has_stopped = bool(answer["stopped"][0])
        self._state = {name: answer[name] for name in self._state}
        index = int(answer["index"])
        new = answer["token_ids"][0, start:index].numpy()
        # The end of text itself is no part of the answer.
        shown = self._feed(new[:-1] if has_stopped else new)
        if self._pieces.stopped or has_stopped:
            self.finish_reason = "stop"
        elif index >= self._end:
            self.finish_reason = "length"
        if self.finish_reason:
            shown += self._pieces.finish()
            # A stop string may stand at the very end of what was held back.
            if self._pieces.stopped:
                self.finish_reason = "stop"
        return shown

    def _feed(self, token_ids):
        """Feeds the bytes of tokens, up to the one that completes a stop."""
        if not len(token_ids):
            return ""
        tokens = {
            "token_ids": token_ids[:, np.newaxis],
            "lengths": np.ones(len(token_ids), "int32"),
        }
        shown = ""
        for text in self._model.call("detokenize", tokens)["texts"]:
            shown += self._pieces.feed(text)
            self.num_tokens += 1
            if self._pieces.stopped:
                break
        return shown
