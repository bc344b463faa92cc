"""The likelihood of texts, as a method of a model."""

from keras_gpt3.models.continuation_scoring import score_continuations
from keras_gpt3.models.generating_causal_lm import GeneratingCausalLM
from keras_gpt3.models.score_arguments import CONTINUATION_ARGUMENTS
from keras_gpt3.models.score_arguments import TOKEN_ARGUMENTS
from keras_gpt3.models.score_arguments import check_left_out
from keras_gpt3.models.score_arguments import token_form
from keras_gpt3.models.token_scores import score_tokens


class ScoringCausalLM(GeneratingCausalLM):
    """A causal language model that tells how likely texts and tokens are.

    Example:

    ```python
    import keras_gpt3

    model = keras_gpt3.GPT3.from_preset("gpt3_small_en", num_layers=1)
    model.score("Is water wet?", [" Yes", " No"])
    ```
    """

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
        """Log-likelihoods of continuations, each after its context.

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
            context: string or list of ints, or a list of either; one is shared
                by many continuations.
            continuation: string or list of ints, or a list of either.
            scoring_mode: string. With `token_ids` only: `"logits"` or
                `"loss"`. Defaults to `"logits"`.
            layer_intercept_fn: callable. With `token_ids` only: takes the
                hidden states behind the embeddings (index -1) and each decoder
                block, and that index; what it returns goes on. Defaults to
                `None`.
            target_ids: int tensor of shape `(batch, length)`. With
                `token_ids` only: the next tokens, for the loss. Defaults to
                `None`.
            token_ids: int tensor of shape `(batch, length)`, instead of
                `context`. Defaults to `None`.
            padding_mask: bool tensor of the shape of `token_ids`, instead of
                `continuation`. Defaults to `None`, all True.
            top_n: int. Number of the most likely ids to give for each token.
                Defaults to `0`.
            batch_size: int. Continuations that are scored at a time. Defaults
                to `8`.
            truncate: `None` to raise where context and continuation are longer
                than `max_sequence_length + 1`, or `"left"` to drop the
                context's first tokens, behind its start token if it has one.
                Defaults to `None`.
            prefix: what `model.prefix` made, to stand before each context.
                Defaults to `None`.

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
            check_left_out(of_tokens, TOKEN_ARGUMENTS, "continuations")
            return score_continuations(
                self, context, continuation, **of_continuations
            )
        check_left_out(of_continuations, CONTINUATION_ARGUMENTS, "token_ids")
        return score_tokens(self, *tokens, **of_tokens)
