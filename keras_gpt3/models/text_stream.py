"""An answer as it comes."""

from keras_gpt3.generation.text_pieces import TextPieces
from keras_gpt3.models.answer_texts import spell
from keras_gpt3.models.decoding import Decoding
from keras_gpt3.models.token_answers import chooses_stepwise

# Tokens of a piece: the first is there as soon as it can be, later ones are
# worth the copy of the cache that each costs.
_FIRST, _LATER = 1, 4


def check_stream(model, inputs, request):
    """Raises if an answer cannot be given piece by piece."""
    if model.preprocessor is None:
        raise ValueError(
            "stream needs a preprocessor, which makes text of tokens. "
            "Received: preprocessor=None. Attach a GPT3Preprocessor."
        )
    if not isinstance(inputs, str):
        raise ValueError(
            "stream must be given one prompt, a string. Received: type="
            f"{type(inputs).__name__}. Stream each prompt by itself, or use "
            "generate."
        )
    if not chooses_stepwise(request):
        raise ValueError(
            "sampler must choose token after token to be streamed. Received: "
            f"sampler={type(request.sampler).__name__}. Use generate, or pass "
            "a temperature."
        )


def text_pieces(model, batch, request, prefix=None):
    """Yields the answer to one prompt while it is generated."""
    tokenizer = model.preprocessor.tokenizer
    pieces = TextPieces(request.stop)
    decoding = Decoding(model.decode_graphs(), batch, request, prefix)
    shown, count = int(batch.lengths[0]), _FIRST
    while not (decoding.is_finished or pieces.stopped):
        decoding.advance(count)
        (token_ids,), (mask,) = decoding.answers()
        end = int(mask.sum())
        text = pieces.feed(spell(tokenizer, token_ids[shown:end]))
        if text:
            yield text
        shown, count = end, _LATER
    if text := pieces.finish():
        yield text
