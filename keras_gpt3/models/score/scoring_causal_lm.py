"""The likelihood of texts, as a method of a model."""

import inspect
import types

from keras import ops

from keras_gpt3.argument_checks import echoed
from keras_gpt3.models.backbone.backbone_forward import forward
from keras_gpt3.models.generate.generating_causal_lm import GeneratingCausalLM
from keras_gpt3.models.score.continuation_scoring import score_continuations
from keras_gpt3.ops.log_probabilities import token_cross_entropy
from keras_gpt3.ops.sequence_checks import check_concrete_token_ids


class ScoringCausalLM(GeneratingCausalLM):
    """A causal language model that computes how likely texts and tokens are."""

    def score(
        self,
        context=None,
        continuation=None,
        scoring_mode="logits",
        layer_intercept_fn=None,
        target_ids=None,
        *,
        token_ids=None,
        padding_mask=None,
        top_n=0,
        batch_size=8,
        truncate=None,
        prefix=None,
    ):
        """Compute log-likelihoods of continuations, each after its context.

        The paper chooses among answers by their likelihood (section 2.4 of
        Brown et al. 2020). Context and continuation are encoded apart and
        joined as ids, so that no token spans the boundary: the space before a
        word belongs to the continuation, as in
        `score("The cat sat on the", " mat")`. An empty context is scored from
        the end of text, which stands before each document in training. A
        score does not depend on what else is in the batch, up to rounding.

        `score(token_ids, padding_mask, ...)` gives the logits or losses of all
        positions, as keras-hub's models do. This form is chosen where there is
        no second argument, or it is an array or tensor of two axes.

        Args:
            context: string or list of ints, or a list of either. One is shared
                by many continuations. Defaults to `None`, in favour of
                `token_ids`.
            continuation: string or list of ints, or a list of either. Defaults
                to `None`, in favour of `padding_mask`.
            scoring_mode: string. With `token_ids` only: `"logits"` or
                `"loss"`. Defaults to `"logits"`.
            layer_intercept_fn: callable. With `token_ids` only: takes the
                hidden states after the embeddings (index -1) and each decoder
                block, and that index; what it returns is used instead.
                Defaults to `None`.
            target_ids: int tensor of shape `(batch, length)`. With
                `token_ids` only: the next tokens, for the loss. Defaults to
                `None`.
            token_ids: int tensor of shape `(batch, length)`. Instead of
                `context`. Defaults to `None`.
            padding_mask: bool tensor of the shape of `token_ids`. Instead of
                `continuation`. Defaults to `None`, all True.
            top_n: int. Number of the most likely ids to give for each token.
                Defaults to `0`.
            batch_size: int. Continuations that are scored at a time. Defaults
                to `8`.
            truncate: string. `"left"` drops the context's first tokens, after
                its start token if it has one, where context and continuation
                are longer than `max_sequence_length + 1`. Defaults to `None`,
                which raises.
            prefix: `PromptPrefix`. What `model.prefix` made, to stand before
                each context. Defaults to `None`.

        Returns:
            A `ContinuationScore` with `log_likelihood`, `is_greedy`,
            `token_ids` and `token_log_probabilities`, or a list of them. With
            `token_ids` a tensor: logits of shape
            `(batch, length, vocabulary_size)` or losses `(batch, length)`.

        Raises:
            ValueError: If a continuation is empty, or it and its context are
                too long, an id is outside the vocabulary, there are texts but
                no preprocessor, or arguments of both forms are mixed.

        Example:

        ```python
        import keras_gpt3

        model = keras_gpt3.GPT3.from_preset("gpt3_small_en", num_layers=1)
        score = model.score("The cat sat on the", " mat")
        score.log_likelihood  # A negative number.
        answers = model.score("Is water wet?", [" Yes", " No"])
        best = max(answers, key=lambda score: score.log_likelihood)
        ```
        """
        of_tokens = {
            "scoring_mode": scoring_mode,
            "layer_intercept_fn": layer_intercept_fn,
            "target_ids": target_ids,
        }
        of_continuations = {
            "top_n": top_n,
            "batch_size": batch_size,
            "truncate": truncate,
            "prefix": prefix,
        }
        tokens = token_form(context, continuation, token_ids, padding_mask)
        if tokens is None:
            check_left_out(of_tokens, "continuations")
            return score_continuations(
                self, context, continuation, **of_continuations
            )
        check_left_out(of_continuations, "token_ids")
        return score_tokens(self, *tokens, **of_tokens)

    def forget_graphs(self):
        super().forget_graphs()
        self._score_graphs = None


def token_form(context, continuation, token_ids, padding_mask):
    """Read the first two arguments as keras-hub's, if they are."""
    is_mask = _is_mask(continuation)
    if token_ids is None and padding_mask is None:
        if continuation is not None and not is_mask:
            return None
        return context, continuation
    named = {"token_ids": token_ids, "padding_mask": padding_mask}
    placed = {"token_ids": context, "padding_mask": continuation}
    for name, value in placed.items():
        if value is not None and named[name] is not None:
            raise ValueError(
                f"{name} must be given once. Received: {name} by name and "
                f"type={type(value).__name__} in its place. Leave one out."
            )
    if continuation is not None and not is_mask:
        raise ValueError(
            "continuation must come with a context, not with token_ids or "
            f"padding_mask. Received: type={type(continuation).__name__}. Pass "
            "context and continuation only."
        )
    return (
        context if token_ids is None else token_ids,
        continuation if padding_mask is None else padding_mask,
    )


def check_left_out(arguments, scored):
    """Raise if an argument of the other form is given."""
    parameters = inspect.signature(ScoringCausalLM.score).parameters
    for name, value in arguments.items():
        default = parameters[name].default
        # Arrays are not compared.
        if value is default or (default is not None and value == default):
            continue
        raise ValueError(
            f"{name} must be left out where {scored} are scored. Received: "
            f"{name} of type {type(value).__name__}. See GPT3.score for the "
            "arguments of its two forms."
        )


def _is_mask(value):
    """Whether the second argument is keras-hub's mask, an array of two axes."""
    return len(getattr(value, "shape", ())) == 2


def score_tokens(
    model,
    token_ids,
    padding_mask=None,
    scoring_mode="logits",
    layer_intercept_fn=None,
    target_ids=None,
):
    """Score token ids as `keras_hub.models.GPT2CausalLM.score` does."""
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
            f"type={type(token_ids).__name__}. Pass a continuation as well to "
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
    """The backbone's layers, with a function after each of them."""

    def followed(layer, index):
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
            followed(block, index)
            for index, block in enumerate(backbone.decoder_blocks)
        ],
        final_norm=backbone.final_norm,
        output_projection=backbone.output_projection,
    )
