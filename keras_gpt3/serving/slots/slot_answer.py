"""A request to continue a prompt, and its answer on the way."""

import asyncio
import dataclasses
import random
import time

from keras_gpt3.generation.stop_strings import TextPieces


@dataclasses.dataclass(frozen=True)
class SlotRequest:
    """A prompt and how to continue it."""

    token_ids: list
    max_new_tokens: int
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    seed: int = -1  # Draws anew if below 0.
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: tuple = ()  # Pairs of an id and a number.
    stop: tuple = ()  # Bytes.
    # -1: no log-probabilities; else those of the chosen token and so many best.
    num_top: int = -1

    @property
    def length(self):
        """Positions that prompt and answer take."""
        return len(self.token_ids) + self.max_new_tokens

    @property
    def has_penalty(self):
        """Whether the tokens so far matter to the choice of the next."""
        penalties = self.presence_penalty, self.frequency_penalty
        return self.repetition_penalty != 1 or any(penalties)


@dataclasses.dataclass(frozen=True)
class SlotToken:
    """A token of an answer."""

    token_id: int
    log_probability: float | None = None
    top: tuple = ()  # Pairs of an id and its log-probability.


@dataclasses.dataclass(frozen=True)
class SlotPiece:
    """What a step adds to an answer."""

    text: str
    tokens: tuple
    finish_reason: str | None
    num_tokens: int  # So far, without the end of text.


class SlotAnswer:
    """An answer on its way."""

    def __init__(self, request, first_pause=1):
        self.request = request
        self.token_ids = list(request.token_ids)
        self.num_read = 0  # Tokens whose keys and values are in the slot.
        self.num_tokens = 0
        seed = request.seed
        self.seed = random.randrange(2**31) if seed < 0 else seed
        self.pieces = asyncio.Queue()
        self.is_gone = False
        # Steps to make without drafts, and after the next rejection.
        self.pause, self.next_pause = 0, first_pause
        self._texts = TextPieces([s.decode() for s in request.stop])
        self._arrived = time.monotonic()

    @property
    def is_ready(self):
        """Whether all but its last token are read: the step reads that."""
        return self.num_read == len(self.token_ids) - 1

    @property
    def num_left(self):
        """Tokens that it may still have."""
        return self.request.max_new_tokens - self.num_tokens

    def add(self, token, vocabulary, metrics):
        """Add a token and write a piece; whether that is the last."""
        if len(self.token_ids) == len(self.request.token_ids):
            waited = time.monotonic() - self._arrived
            metrics.first_token_seconds.observe(waited)
        self.token_ids.append(token.token_id)
        text, reason = "", None
        if token.token_id == vocabulary.end_token_id:
            reason = "stop"
        else:
            self.num_tokens += 1
            # A special token has no text of its own.
            if token.token_id not in vocabulary.special_token_ids:
                text = self._texts.feed(vocabulary.token_bytes[token.token_id])
            if self.num_left == 0:
                reason = "length"
            metrics.generated_tokens.inc()
        if reason:
            text += self._texts.finish()
        # A stop string may end in the text that was held back.
        if self._texts.stopped:
            reason = "stop"
        piece = SlotPiece(text, (token,), reason, self.num_tokens)
        self.pieces.put_nowait(piece)
        return reason is not None
