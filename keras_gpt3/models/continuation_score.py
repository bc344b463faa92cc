"""What `GPT3.score` finds about one continuation."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class ContinuationScore:
    """How likely a model finds a continuation after its context.

    Args:
        log_likelihood: float. The sum of the tokens' log-probabilities, in
            nats: what section 2.4 of Brown et al. 2020 compares.
        is_greedy: bool. Whether each token is the most likely one at its
            place, so that greedy generation would give the continuation.
        token_ids: tuple of ints. The tokens of the continuation.
        token_log_probabilities: tuple of floats. One for each token, in nats,
            given the context and the tokens before it.
        top_token_ids: tuple of tuples of ints. For each token the `top_n` most
            likely ids at its place, the most likely first. Defaults to `()`.
        top_log_probabilities: tuple of tuples of floats. Those of
            `top_token_ids`. Defaults to `()`.

    Example:

    ```python
    from keras_gpt3.models.continuation_score import ContinuationScore

    score = ContinuationScore(
        log_likelihood=-1.5,
        is_greedy=True,
        token_ids=(3797, 13),
        token_log_probabilities=(-1.0, -0.5),
    )
    # A likelihood per token, to compare continuations of unequal length.
    score.log_likelihood / len(score.token_ids)  # -0.75
    ```
    """

    log_likelihood: float
    is_greedy: bool
    token_ids: tuple
    token_log_probabilities: tuple
    top_token_ids: tuple = ()
    top_log_probabilities: tuple = ()
