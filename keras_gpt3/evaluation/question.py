"""An example with its demonstrations, ready to be asked."""

import dataclasses

from keras_gpt3.evaluation.demonstrations import draw
from keras_gpt3.evaluation.prompt import fit


@dataclasses.dataclass(frozen=True)
class Question:
    """What stands before an answer, in two parts.

    The first part, instruction and demonstrations, is that of many questions
    where these share a draw: a model need read it but once.

    Args:
        index: int. The example's place in its split.
        example: `Example`.
        shared: string. Instruction and demonstrations; may be empty.
        contexts: tuple of strings. What follows `shared`, its delimiter
            included: one, or with partial evaluation one a choice.
        shots: int. Demonstrations in `shared`.

    Example:

    ```python
    from keras_gpt3.evaluation.example import Example
    from keras_gpt3.evaluation.question import Question

    example = Example("cheese =>", (" fromage",))
    Question(0, example, "sea otter => loutre de mer", ("\\ncheese =>",), 1)
    ```
    """

    index: int
    example: object
    shared: str
    contexts: tuple
    shots: int


def make_questions(model, task, train, test, shots, seed=0, draws=None):
    """Gives each example its demonstrations, as many as fit the context.

    Args:
        model: `GPT3` with a preprocessor.
        task: `Task`.
        train: list of `Example`. What demonstrations are drawn from; where it
            begins as `test` does, never an example for itself.
        test: list of `Example`.
        shots: int. K.
        seed: int. Defaults to `0`.
        draws: int. How many different draws the examples share. Defaults to
            `None`: each has its own, as in the paper.

    Yields:
        `Question`s, in the order of their draws.

    Raises:
        ValueError: If there are fewer examples in `train` than `shots`, or an
            example does not fit the model's context.

    Example:

    ```python
    import keras_gpt3
    from keras_gpt3.evaluation.example import Example
    from keras_gpt3.evaluation.question import make_questions
    from keras_gpt3.evaluation.task import Task

    model = keras_gpt3.GPT3.from_preset("gpt3_small_en", num_layers=1)
    task = Task(
        name="sums", title="Sums", paper="", fields={}, context="", target="",
        scoring="generate", metrics=("exact_match",), shots=1,
    )
    examples = [Example("1+1=", ("2",)), Example("2+2=", ("4",))]
    list(make_questions(model, task, examples, examples, shots=1))
    ```
    """
    tokenizer = model.preprocessor.tokenizer
    room = model.backbone.max_sequence_length
    # Before the first token there is one more where the model wants it.
    room -= int(model.preprocessor.add_start_token)
    lengths = {}

    def encode(text):
        return tokenizer.encode_to_numpy(text)

    for index in _in_order_of_draws(len(test), draws):
        example = test[index]
        numbers = draw(
            len(train),
            shots,
            seed,
            index=index if draws is None else index % draws,
            task_name=task.name,
            # LAMBADA's and Winograd's are of the split that is tested.
            exclude=index if train[index : index + 1] == [example] else None,
        )
        shown = [train[number] for number in numbers]
        left = room - _longest_answer(task, example, encode)
        count = fit(encode, task, shown, example, left, lengths)
        yield _question(task, index, example, shown[:count])


def _in_order_of_draws(count, draws):
    """The examples' numbers, those of one draw together."""
    step = draws or count or 1
    return [
        index for first in range(step) for index in range(first, count, step)
    ]


def _longest_answer(task, example, encode):
    """Tokens that the answer may have."""
    if task.scoring in ("generate", "none"):
        return task.max_new_tokens
    answers = example.choices or example.answers
    return max(len(encode(answer)) for answer in answers)


def _question(task, index, example, shown):
    before = [task.instruction] if task.instruction else []
    before += [one.demonstration for one in shown]
    delimiter = task.delimiter if before else ""
    return Question(
        index=index,
        example=example,
        shared=task.delimiter.join(before),
        # The line breaks of a delimiter are tokens of their own behind a word,
        # but may be one token with those before them.
        contexts=tuple(
            delimiter + context
            for context in example.contexts or (example.context,)
        ),
        shots=len(shown),
    )
