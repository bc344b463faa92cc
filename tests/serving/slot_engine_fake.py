"""A slot engine that runs a row at a time, by whole passes over it.

Slow and plain: what the real one writes may be compared with it.
"""

import asyncio
import types

import numpy as np

from keras_gpt3.generation import TextPieces


def log_softmax(logits):
    logits = np.asarray(logits, "float64")
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


class FakeEngine:
    """Greedy, or draws by seed and position; the sampling filters are not."""

    def __init__(self, model, token_bytes, end_token_id):
        self._model = model
        self._token_bytes = token_bytes
        self._end_token_id = end_token_id
        self.requests, self.closed = [], 0

    async def generate(self, request):
        self.requests.append(request)
        try:
            async for piece in self._pieces(request):
                yield piece
        finally:
            self.closed += 1

    async def _pieces(self, request):
        ids = list(request.token_ids)
        pieces = TextPieces([s.decode() for s in request.stop])
        for number in range(1, request.max_new_tokens + 1):
            await asyncio.sleep(0)
            token = self._token(ids, request)
            ids.append(token.token_id)
            has_ended = token.token_id == self._end_token_id
            text = ""
            if not has_ended:
                text = pieces.feed(self._token_bytes[token.token_id])
            reason = "length" if number == request.max_new_tokens else None
            reason = "stop" if has_ended or pieces.stopped else reason
            if reason:
                text += pieces.finish()
                reason = "stop" if pieces.stopped else reason
            yield types.SimpleNamespace(
                text=text,
                tokens=(token,),
                finish_reason=reason,
                num_tokens=number - has_ended,
            )
            if reason:
                return

    def _token(self, ids, request):
        inputs = {"token_ids": np.array([ids], "int32")}
        logits = self._model.call("logits", inputs)["logits"][0, -1]
        logits = logits[: len(self._token_bytes)].astype("float64")
        for token_id, bias in request.logit_bias:
            logits[token_id] += bias
        logs = log_softmax(logits)
        chosen = int(logits.argmax())
        if request.temperature:
            seed = None if request.seed < 0 else [request.seed, len(ids)]
            noise = np.random.default_rng(seed).gumbel(size=len(logits))
            chosen = int((logits / request.temperature + noise).argmax())
        best = np.argsort(-logs, kind="stable")[: max(request.num_top, 0)]
        return types.SimpleNamespace(
            token_id=chosen,
            log_probability=logs[chosen] if request.num_top >= 0 else None,
            top=tuple((int(i), logs[i]) for i in best),
        )


def use_fake_engine(server):
    """Have a server's model answer by a fake engine, which is returned."""
    served = server._served
    end = served.token_bytes.index(b"<|endoftext|>")
    served.engine = FakeEngine(served.model, served.token_bytes, end)
    return served.engine
