"""An evaluation task of the paper, as data."""

import dataclasses

SCORINGS = (
    "per_token",
    "likelihood",
    "answer_context",
    "partial",
    "greedy",
    "rolling",
    "generate",
    "none",
)
METRICS = (
    "accuracy",
    "exact_match",
    "squad_exact_match",
    "f1",
    "drop_f1",
    "drop_exact_match",
    "coqa_f1",
    "coqa_exact_match",
    "quac_f1",
    "bleu",
    "multi_bleu",
    "macro_f1",
    "f1_answers",
    "perplexity",
    "word_perplexity",
)


@dataclasses.dataclass(frozen=True)
class Task:
    """A task: how records become prompts, and answers a metric.

    Texts are Jinja templates over the fields of a record, as in
    lm-evaluation-harness: `"Question: {{ question }}\\nAnswer:"`. A template of
    a list or a number gives that list or number.

    Args:
        name: string. Such as `"arc_challenge"`.
        title: string. The name that people know.
        paper: string. Where the paper has it: section, table, figure. Given by
            name alone. Defaults to `""`, nowhere.
        fields: dict. From the name of a field that each record must have to
            its kind: `"string"`, `"integer"`, `"boolean"`, `"list"`,
            `"object"`; `"optional string"` and so on may be null or missing.
        context: string. Template of what stands before the answer.
        target: string. Template of the right answer, its space in front
            included; with choices, that of the right choice. A template of a
            list gives several accepted answers. With choices it may be empty:
            the right choice is the answer.
        choices: string. Template of the list of choices. Defaults to `None`.
        label: string. Template of the right choice's number. Defaults to
            `None`.
        scoring: string. One of `SCORINGS`.
        metrics: tuple of strings. Some of `METRICS`, the main one first.
        shots: int. K of Table H.1.
        instruction: string. What stands first, before all demonstrations.
            Defaults to `""`.
        delimiter: string. What stands between demonstrations. Defaults to an
            empty line.
        answer_context: string. With scoring by `"answer_context"`: the context
            that the unconditional likelihood of an answer is taken after.
            Defaults to `None`.
        contexts: string. With scoring by `"partial"`: template of the list of
            contexts, one a choice. Defaults to `None`.
        continuation: string. With scoring by `"partial"`: template of the text
            after the choice. Defaults to `None`.
        stop: tuple of strings. With scoring by `"generate"`: what ends an
            answer. Defaults to the end of a line.
        max_new_tokens: int. With scoring by `"generate"`: the longest answer.
            Defaults to `32`.
        sampling: dict. With scoring by `"none"`: settings by which texts are
            drawn, such as `{"temperature": 1.0, "top_p": 0.9}`. Defaults to
            `None`: beam search.
        samples: int. With scoring by `"none"`: texts of each record. Defaults
            to `1`.
        hub: dict. The dataset on Hugging Face's hub: `path`, `name`,
            `revision`, `splits` (from `"train"`, `"test"` and, where there
            is one beside, `"dev"` to its names). Defaults to `None`.
        generator: string. Of a synthetic task: what makes its records.
            Defaults to `None`.
        groups: tuple of strings. Under which it is found, besides its name.
            Defaults to `()`.
        random_accuracy: float. What guessing gets. Defaults to `None`.
        group: string. Template of what the examples that are judged together
            share, as MultiRC's answers to a question do: accuracy then counts
            the groups that are all right, and a demonstration shows a group.
            Defaults to `None`.
        choice_names: string. With choices: template of the list of what they
            are called where a metric compares texts, as ReCoRD's entities are.
            Defaults to `None`.
        turns: string. Template of the number of examples that a record gives,
            as a conversation does; the other templates know theirs as `turn`,
            from 0. Defaults to `None`, one.
        passage: string. Template of what the records that stand one after
            another share, as RACE's questions on an article do; the other
            templates know those before a record as `earlier`. Defaults to
            `None`.
        cluster: string. Template of what examples share that are not
            independent: their uncertainty is that of clusters. Defaults to
            `None`: `passage`, or the record where it has several turns.
        holds: string. With answers in words: template of whether the target is
            right, a bool. Where it is not, accuracy expects another answer,
            and the record is not a demonstration. Defaults to `None`, it is.
        language: string. With the metric `"multi_bleu"`: the two letters of
            the answers' language, `"fr"`. Defaults to `None`.
        references: string. With the metrics of DROP, CoQA and QuAC, which know
            who answered what: template of the list of people's answers, each
            as often as it was given; those of DROP may be lists of spans.
            Defaults to `None`: the answers of `target`.
        words: string. With scoring by `"rolling"`: template of the number of
            words of a record, its end included. Defaults to `None`.
        text_file: string. The name of a text file in a folder of local data,
            whose lines are records of a field `text`. Defaults to `None`.
        note: string. In what a score differs from the paper's: shown where the
            paper's stands beside. Defaults to `""`.

    Example:

    ```python
    from keras_gpt3.evaluation import Task

    task = Task(
        name="capitals",
        title="Capitals",
        fields={"country": "string", "capital": "string"},
        context="The capital of {{ country }} is",
        target=" {{ capital }}",
        scoring="generate",
        metrics=("exact_match",),
        shots=4,
    )
    ```
    """

    name: str
    title: str
    paper: str = dataclasses.field(default="", kw_only=True)
    fields: dict
    context: str
    target: str
    scoring: str
    metrics: tuple
    shots: int
    choices: str | None = None
    label: str | None = None
    instruction: str = ""
    delimiter: str = "\n\n"
    answer_context: str | None = None
    contexts: str | None = None
    continuation: str | None = None
    stop: tuple = ("\n",)
    max_new_tokens: int = 32
    sampling: dict | None = None
    samples: int = 1
    hub: dict | None = None
    generator: str | None = None
    groups: tuple = ()
    random_accuracy: float | None = None
    group: str | None = None
    choice_names: str | None = None
    turns: str | None = None
    passage: str | None = None
    cluster: str | None = None
    holds: str | None = None
    language: str | None = None
    references: str | None = None
    words: str | None = None
    text_file: str | None = None
    note: str = ""
