"""What came of one example."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Outcome:
    """A model's answer to one example, as a line of the results cache."""

    index: int
    shots: int
    predicted: int | str | None
    correct: float | None
    log_likelihoods: tuple = ()
    num_tokens: tuple = ()
    example: str = ""
