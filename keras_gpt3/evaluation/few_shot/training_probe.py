"""What a model can do while it trains: tasks, and samples."""

import keras

from keras_gpt3.argument_checks import echoed
from keras_gpt3.evaluation.few_shot.evaluate import EvaluationRun
from keras_gpt3.evaluation.few_shot.evaluate import check_model

# Of samples: as varied as a text, without its rarest words.
SAMPLING = {"temperature": 0.8, "top_k": 40}


class TrainingProbe:
    """Tasks and prompts that a model is put through while it trains.

    A pretraining run calls it at each validation. All is a function of the
    seed: what changes from one validation to the next is the model.

    Args:
        section: `keras_gpt3.training.ValidationSection`. Its `tasks`, `shots`,
            `limit`, `samples` and `sample_tokens`.
        seed: int. Of demonstrations, generated tasks and samples. Defaults to
            `0`.

    Raises:
        ImportError: If a package of the extra `evaluate` is missing.
        ValueError: If there is no such task, or one has no score.

    Example:

    ```python
    import keras_gpt3
    from keras_gpt3.evaluation import TrainingProbe
    from keras_gpt3.training import ValidationSection

    section = ValidationSection(
        tasks=["two_digit_addition"], shots=1, limit=2, samples=["To be"]
    )
    probe = TrainingProbe(section)
    model = keras_gpt3.GPT3.from_preset("gpt3_small_en", num_layers=1)
    probe(model)["tasks/two_digit_addition"]  # 0.0
    ```
    """

    def __init__(self, section, seed=0):
        self._section, self._seed = section, seed
        self._tasks = None
        if section.tasks:
            self._tasks = EvaluationRun(
                section.tasks,
                section.shots,
                seed,
                limit=section.limit,
                # Demonstrations are then read once: a probe is to be quick.
                draws=1,
                verbose=False,
            )

    def check(self, model):
        """Raise if a model cannot be put through it.

        Args:
            model: `GPT3`.

        Raises:
            ValueError: If the model has no preprocessor, or it is trained by
                several processes of JAX.
        """
        check_model(model)
        if keras.config.backend() == "jax":
            import jax

            if jax.process_count() > 1:
                raise ValueError(
                    "validation.tasks and validation.samples must be empty "
                    "where several processes have parts of the weights. "
                    f"Received: tasks={echoed(self._section.tasks)}, processes="
                    f"{jax.process_count()}. Evaluate the run's checkpoints."
                )

    def __call__(self, model):
        """Put a model through all.

        Args:
            model: `GPT3`.

        Returns:
            A dict of `"tasks/NAME"` to the score, and of `"samples"` to the
            list of prompts with their continuations.
        """
        found = {}
        for main, *_ in self._tasks(model) if self._tasks else ():
            found[f"tasks/{main.task}"] = main.value
        if self._section.samples:
            found["samples"] = model.generate(
                list(self._section.samples),
                max_new_tokens=self._section.sample_tokens,
                truncate="left",
                seed=self._seed,
                **SAMPLING,
            )
        return found
