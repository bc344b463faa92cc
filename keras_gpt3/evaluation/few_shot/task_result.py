"""What a model reached at a task."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class TaskResult:
    """A metric with its uncertainty, and what it is of.

    A task of several metrics has a result for each, its main one first.

    Args:
        task: string. The name of the task.
        model: string. The name, or a path, of the model.
        shots: int. Demonstrations in each prompt, as requested.
        seed: int. What chose them.
        metric: string. Its name.
        value: float. From 0 to 1, or to 100 for BLEU.
        standard_error: float, in the unit of `value`.
        interval: pair of floats. The 95% interval.
        num_examples: int. Examples that were judged.
        mean_shots: float. Demonstrations that fitted, in the mean.
        num_parameters: int. Of the model. Defaults to `None`.
        draws: int. Different draws of demonstrations, which the examples
            shared. Defaults to `None`: each example had its own, or none.

    Example:

    ```python
    from keras_gpt3.evaluation import TaskResult

    result = TaskResult(
        task="two_digit_addition", model="gpt3_small_en", shots=50, seed=0,
        metric="exact_match", value=0.8, standard_error=0.009,
        interval=(0.78, 0.82), num_examples=2000, mean_shots=50.0,
    )
    ```
    """

    task: str
    model: str
    shots: int
    seed: int
    metric: str
    value: float
    standard_error: float
    interval: tuple
    num_examples: int
    mean_shots: float
    num_parameters: int | None = None
    draws: int | None = None
