"""Zero-, one- and few-shot evaluation of a model (section 2.4)."""

from keras_gpt3.evaluation.few_shot.evaluation_run import EvaluationRun


def evaluate(
    model,
    tasks,
    shots=None,
    seed=0,
    *,
    data=None,
    records=None,
    limit=None,
    draws=None,
    batch_size=8,
    cache=None,
    name=None,
    verbose="auto",
):
    """Put a model through tasks, given as text alone: no gradient is taken.

    For each example K demonstrations are drawn from the training split, as
    many as fit the model's context, and stand before its question. What counts
    as an answer is the task's affair: the likeliest choice per token, the
    likeliest against its own likelihood, or a text by beam search. All is a
    function of the seed.

    Args:
        model: `GPT3` with a preprocessor.
        tasks: string with commas, or list. Names of tasks and groups, paths of
            YAML files, and `Task`s.
        shots: int or sequence of ints. K. Defaults to `None`, each task's own
            of Table H.1.
        seed: int. Of the demonstrations, and of generated tasks. Defaults to
            `0`.
        data: path. A folder of local records, `FOLDER/TASK/train.jsonl` and
            `test.jsonl`. Defaults to `None`: Hugging Face's hub.
        records: dict. From a task's name to a dict of `"train"` and `"test"`,
            lists of records, in place of files. Defaults to `None`.
        limit: int. Evaluate only so many examples of each task, the first;
            with a cache a later run resumes with the others. Defaults to
            `None`, all.
        draws: int. How many different draws the examples share. With `1` all
            have the same demonstrations, which are then read once. Defaults to
            `None`: each example has its own, as in the paper.
        batch_size: int. Rows that the model reads at a time. Defaults to `8`.
        cache: path. A folder where each outcome is kept, so that what was
            evaluated before is not again, unless model, task or records are
            others. Defaults to `None`.
        name: string. What results call the model. Defaults to `None`, its
            own name.
        verbose: `"auto"`, bool. Whether to show progress; `"auto"` does on a
            terminal. Defaults to `"auto"`.

    Returns:
        A list of `TaskResult`, task by task, K by K, and one for each metric
        of the task, the main one first. Tasks without a score, which only
        write texts, give none: these are in `cache`.

    Raises:
        FileNotFoundError: If a file of records is not there.
        ImportError: If a package of the extra `evaluate` is missing.
        OSError: If a dataset cannot be loaded.
        ValueError: If there is no such task, K is larger than the training
            split, a prompt cannot fit, a record is damaged, an argument is out
            of its range, or the model has no preprocessor. All this is
            checked before the model computes anything.

    Example:

    ```python
    import keras_gpt3
    from keras_gpt3.evaluation.few_shot.evaluate import evaluate

    model = keras_gpt3.GPT3.from_preset("gpt3_small_en", num_layers=1)
    (result,) = evaluate(model, "two_digit_addition", shots=2, limit=2)
    result.value, result.interval
    ```
    """
    run = EvaluationRun(
        tasks,
        shots,
        seed,
        data=data,
        records=records,
        limit=limit,
        draws=draws,
        batch_size=batch_size,
        cache=cache,
        name=name,
        verbose=verbose,
    )
    return [result for results in run(model) for result in results]
