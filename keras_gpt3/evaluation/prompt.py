"""Puts instruction, demonstrations and context together, as many as fit."""


def build_prompt(task, demonstrations, example, context=None):
    """Returns the text that a model is to continue (section 2.1).

    The instruction comes first, then the demonstrations with their answers,
    then the example's context without one; the task's delimiter is between
    them. With no demonstrations the prompt is zero-shot, with one one-shot.

    Args:
        task: `Task`.
        demonstrations: sequence of `Example`s.
        example: `Example`. What is asked.
        context: string. In place of the example's own: with partial
            evaluation, that of a choice. Defaults to `None`.

    Returns:
        A string.

    Example:

    ```python
    from keras_gpt3.evaluation.example import Example
    from keras_gpt3.evaluation.prompt import build_prompt
    from keras_gpt3.evaluation.task import Task

    task = Task(
        name="french", title="French", paper="Figure 2.1", fields={},
        context="", target="", scoring="generate", metrics=("bleu",), shots=1,
        instruction="Translate English to French:", delimiter="\\n",
    )
    shown = Example("sea otter =>", (" loutre de mer",))
    print(build_prompt(task, [shown], Example("cheese =>", (" fromage",))))
    # Translate English to French:
    # sea otter => loutre de mer
    # cheese =>
    ```
    """
    return task.delimiter.join(_pieces(task, demonstrations, example, context))


def fit(encode, task, demonstrations, example, room, lengths=None):
    """Returns how many demonstrations fit into a prompt.

    Those drawn last are left out. Tokens of the pieces give a guess, since a
    text has nearly as many tokens as its pieces together; the whole prompt is
    then counted, and corrected by one demonstration at a time.

    Args:
        encode: callable from a string to its tokens.
        task: `Task`.
        demonstrations: sequence of `Example`s, in the order of the draw.
        example: `Example`. What is asked. Of several contexts, as partial
            evaluation has them, all must fit.
        room: int. The tokens that the prompt may have: the model's context
            less the longest answer.
        lengths: dict. Keeps the tokens of pieces from one call to the next.
            Defaults to `None`: each is counted anew.

    Returns:
        An int, at most `len(demonstrations)`.

    Raises:
        ValueError: If the example does not fit with no demonstrations either.

    Example:

    ```python
    from keras_gpt3.evaluation.example import Example
    from keras_gpt3.evaluation.prompt import fit
    from keras_gpt3.evaluation.task import Task

    task = Task(
        name="sums", title="Sums", paper="", fields={}, context="", target="",
        scoring="generate", metrics=("exact_match",), shots=2, delimiter="\\n",
    )
    shown = [Example("1+1=", ("2",)), Example("2+2=", ("4",))]
    # The letters of "1+1=2", a line break and "3+4=".
    fit(list, task, shown, Example("3+4=", ("7",)), room=10)  # 1
    ```
    """

    def size(shots):
        prompts = (
            build_prompt(task, demonstrations[:shots], example, context)
            for context in example.contexts or (example.context,)
        )
        return max(len(encode(prompt)) for prompt in prompts)

    lengths = {} if lengths is None else lengths
    shots = _guess(encode, task, demonstrations, example, room, lengths)
    fits = size(shots) <= room
    while not fits and shots:
        shots -= 1
        fits = size(shots) <= room
    if not fits:
        raise _too_long(example, size(0), room)
    # The guess may be too low.
    while shots < len(demonstrations) and size(shots + 1) <= room:
        shots += 1
    return shots


def _pieces(task, demonstrations, example, context=None):
    pieces = [task.instruction] if task.instruction else []
    pieces += [shown.demonstration for shown in demonstrations]
    return [*pieces, example.context if context is None else context]


def _guess(encode, task, demonstrations, example, room, lengths):
    """The demonstrations that fit, if tokens of pieces add up."""

    def tokens(piece):
        if piece not in lengths:
            lengths[piece] = len(encode(piece))
        return lengths[piece]

    # The example's own text is asked once, so nothing keeps it.
    contexts = example.contexts or (example.context,)
    used = max(len(encode(context)) for context in contexts)
    *shared, _ = _pieces(task, (), example)
    used += sum(tokens(piece + task.delimiter) for piece in shared)
    for shots, shown in enumerate(demonstrations):
        used += tokens(shown.demonstration + task.delimiter)
        if used > room:
            return shots
    return len(demonstrations)


def _too_long(example, tokens, room):
    return ValueError(
        f"A prompt must fit into {room} tokens. Received: {tokens} tokens with "
        f"no demonstrations for {example.where or repr(example.context[:40])}. "
        "Shorten the record, or use a model with a longer context."
    )
