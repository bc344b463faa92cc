"""What came of one example."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Outcome:
    """A model's answer to one example, as a line of the results cache.

    Args:
        index: int. The example's place in its split.
        shots: int. Demonstrations that fitted before it.
        predicted: int or string. The number of the choice, or the text of the
            answer; `None` where the right text was only scored.
        correct: float. 1 or 0; the F1 where that is the measure; `None` for
            tasks without a score.
        log_likelihoods: tuple of floats, one a choice, or of the right text.
            Defaults to `()`.
        num_tokens: tuple of ints. Tokens of each. Defaults to `()`.
        example: string. The digest of the example. Defaults to `""`.

    Example:

    ```python
    from keras_gpt3.evaluation.outcome import Outcome

    Outcome(0, shots=2, predicted=" 143", correct=1.0)
    ```
    """

    index: int
    shots: int
    predicted: int | str | None
    correct: float | None
    log_likelihoods: tuple = ()
    num_tokens: tuple = ()
    example: str = ""
