"""keras-hub's `score`: logits or losses of token ids, open to a probe."""

import types

from keras import ops

from keras_gpt3.echoed_value import echoed
from keras_gpt3.models.backbone_forward import forward
from keras_gpt3.ops.token_cross_entropy import token_cross_entropy
from keras_gpt3.ops.token_id_check import check_concrete_token_ids


def score_tokens(
    model,
    token_ids,
    padding_mask=None,
    scoring_mode="logits",
    layer_intercept_fn=None,
    target_ids=None,
):
    """Scores token ids as `keras_hub.models.GPT2CausalLM.score` does."""
    if scoring_mode not in ("logits", "loss"):
        raise ValueError(
            "scoring_mode must be 'logits' or 'loss'. Received: "
            f"scoring_mode={echoed(scoring_mode)}. Leave it out for logits."
        )
    if scoring_mode == "loss" and target_ids is None:
        raise ValueError(
            "target_ids must be given with scoring_mode='loss'. Received: "
            "target_ids=None. Pass the next token of each position."
        )
    vocabulary_size = model.backbone.vocabulary_size
    inputs = _inputs(token_ids, padding_mask, vocabulary_size)
    if layer_intercept_fn is None:
        logits = model(inputs)
    else:
        layers = _intercepted(model.backbone, layer_intercept_fn)
        hidden_states, _ = forward(layers, **inputs)
        logits = model.backbone.logits(hidden_states)
    if scoring_mode == "logits":
        return logits
    check_concrete_token_ids(target_ids, vocabulary_size)
    return token_cross_entropy(ops.cast(target_ids, "int32"), logits)


def _inputs(token_ids, padding_mask, vocabulary_size):
    """The model's input, of tensors."""
    if token_ids is None or isinstance(token_ids, str):
        raise ValueError(
            "token_ids must have shape (batch, length). Received: "
            f"type={type(token_ids).__name__}. Pass a continuation, too, to "
            "score texts."
        )
    check_concrete_token_ids(token_ids, vocabulary_size)
    token_ids = ops.cast(token_ids, "int32")
    if len(token_ids.shape) != 2:
        raise ValueError(
            "token_ids must have shape (batch, length). Received: "
            f"shape={tuple(token_ids.shape)}. Add an axis for the batch, or "
            "pass a continuation."
        )
    if padding_mask is None:
        padding_mask = ops.ones_like(token_ids)
    return {
        "token_ids": token_ids,
        "padding_mask": ops.cast(padding_mask, "bool"),
    }


def _intercepted(backbone, intercept):
    """The backbone's layers, with a function behind each of them."""

    def behind(layer, index):
        return lambda *args, **kwargs: intercept(layer(*args, **kwargs), index)

    return types.SimpleNamespace(
        token_embedding=backbone.token_embedding,
        embedding_projection=backbone.embedding_projection,
        position_embedding=backbone.position_embedding,
        # As in keras-hub, the embeddings are shown before their dropout.
        embedding_dropout=lambda x, **kwargs: backbone.embedding_dropout(
            intercept(x, -1), **kwargs
        ),
        decoder_blocks=[
            behind(block, index)
            for index, block in enumerate(backbone.decoder_blocks)
        ],
        final_norm=backbone.final_norm,
        output_projection=backbone.output_projection,
    )
