import dataclasses
import re
import sys

import pytest

from keras_gpt3.evaluation.results.results_table import paper_sizes
from keras_gpt3.evaluation.results.results_table import published_table
from keras_gpt3.evaluation.results.results_table import published_values
from keras_gpt3.evaluation.task_definitions.task_file import shipped_tasks

ARITHMETIC = {
    "two_digit_addition": 100,
    "two_digit_subtraction": 98.9,
    "three_digit_addition": 80.4,
    "three_digit_subtraction": 94.2,
    "four_digit_addition": 25.5,
    "four_digit_subtraction": 26.8,
    "five_digit_addition": 9.3,
    "five_digit_subtraction": 9.9,
    "two_digit_multiplication": 29.2,
    "single_digit_three_ops": 21.3,
}
SCRAMBLE = {
    "cycle_letters_in_word": 37.9,
    "anagrams_1": 15.1,
    "anagrams_2": 39.7,
    "random_insertion_in_word": 67.2,
    "reversed_words": 0.44,
}
# Table H.1's column of the best fine-tuned models, typed a second time from a
# copy of the paper; by the metric of each row.
FINE_TUNED = {
    "acc": {
        "hellaswag": 85.6,
        "lambada": 68.0,
        "storycloze": 91.8,
        "natural_questions": 44.5,
        "triviaqa": 68.0,
        "web_questions": 45.5,
        "winograd": 93.8,
        "winogrande": 84.6,
        "piqa": 77.1,
        "arc_challenge": 78.5,
        "arc_easy": 92.0,
        "openbookqa": 87.2,
        "race_h": 90.0,
        "race_m": 93.1,
        "boolq": 91.0,
        "cb": 96.9,
        "copa": 94.8,
        "rte": 92.5,
        "wic": 76.1,
        "wsc": 93.8,
        "multirc": 62.3,
        "record": 92.5,
        "anli_r1": 73.8,
        "anli_r2": 50.7,
        "anli_r3": 48.3,
    },
    "f1": {
        "quac": 74.4,
        "squadv2": 93.0,
        "coqa": 90.7,
        "drop": 89.1,
        "cb": 93.9,
        "record": 93.3,
    },
    "em": {"squadv2": 90.7},
    "f1a": {"multirc": 88.2},
    "ppl": {"lambada": 8.63},
    "average": {"superglue": 89.0},
    "BLEU-mb": {
        "wmt16_ro_en": 39.9,
        "wmt16_en_ro": 38.5,
        "wmt14_fr_en": 35.0,
        "wmt14_en_fr": 45.6,
        "wmt16_de_en": 40.2,
        "wmt16_en_de": 41.2,
    },
    "BLEU-sb": {"wmt14_en_fr": 45.9, "wmt16_en_de": 41.2},
}
# Table H.1's last column; Table 3.8 has those of SuperGLUE as well, Tables 3.3
# and 3.6 the other two.
TEST_SERVER = {
    "acc": {
        "boolq": 76.4,
        "cb": 75.6,
        "copa": 92.0,
        "rte": 69.0,
        "wic": 49.4,
        "wsc": 80.1,
        "multirc": 30.5,
        "record": 90.2,
        "piqa": 82.8,
        "triviaqa": 71.2,
    },
    "f1": {"cb": 52.0, "record": 91.1},
    "f1a": {"multirc": 75.4},
    "average": {"superglue": 71.8},
}
PTB = ("penn_treebank", "word ppl")
METRICS = {"acc", "em", "f1", "f1a", "ppl", "BLEU-mb", "BLEU-sb", "average"}
METRICS |= {"word ppl"}
FORMS = ("_cloze", "_zero_shot")
FORMS_END = re.compile("_cloze$|_zero_shot$")
SETTINGS = ("zero_shot", "one_shot", "few_shot")
ROWS = sorted(published_table())


@pytest.mark.parametrize("row", ROWS)
def test_a_row_has_eight_values_of_each_setting_within_range(row):
    values = published_table()[row]
    assert (values.task, values.metric) == row
    assert values.source == ("Table 3.1" if row == PTB else "Table H.1")
    assert values.metric in METRICS
    assert values.split in ("dev", "test", "n/a")
    assert 5 <= values.shots <= 100 or row == PTB
    limit = {"ppl": 165, "BLEU-mb": 50, "BLEU-sb": 50}.get(values.metric, 1)
    for setting in SETTINGS:
        scores = getattr(values, setting)
        assert len(scores) == 8
        # Of other settings and sizes there are no values.
        assert all(0 <= score <= limit for score in scores) or row == PTB
    for single in (values.fine_tuned, values.test_server):
        assert single is None or 0 <= single <= limit


def test_rows_are_those_of_the_table_and_its_tasks_other_forms():
    forms = {task for task, _ in ROWS if task.endswith(FORMS)}
    rows = [(task, metric) for task, metric in ROWS if task not in forms]
    assert len(rows) == 64
    assert len({task for task, _ in rows}) == 53
    assert len(forms) == 7
    for form in forms:
        for metric in METRICS:
            row = published_table().get((form, metric))
            same = published_table().get((FORMS_END.sub("", form), metric))
            assert row == (same and dataclasses.replace(same, task=form))


@pytest.mark.parametrize(
    ("column", "expected"),
    [("fine_tuned", FINE_TUNED), ("test_server", TEST_SERVER)],
)
def test_single_values_are_those_of_the_paper_s_columns(column, expected):
    found = {}
    for (task, metric), values in published_table().items():
        value = getattr(values, column)
        if value is not None and not task.endswith(FORMS):
            scale = 1 if metric in ("ppl", "BLEU-mb", "BLEU-sb") else 100
            found.setdefault(metric, {})[task] = round(scale * value, 3)
    assert found == expected


@pytest.mark.parametrize(
    "task, expected", [*ARITHMETIC.items(), *SCRAMBLE.items()]
)
def test_the_largest_size_has_the_few_shot_score_of_tables_3_9_and_3_10(
    task, expected
):
    values = published_values(task, "exact_match")
    assert values.few_shot[-1] == pytest.approx(expected / 100)
    assert values.shots == (50 if task in ARITHMETIC else 100)


def test_lambada_zero_shot_is_as_the_paper_tells_by_size():
    expected = [42.7, 54.3, 60.4, 63.6, 67.1, 70.3, 72.5, 76.2]
    values = published_values("lambada", "accuracy")
    assert [100 * v for v in values.zero_shot] == pytest.approx(expected)


def test_every_row_but_the_average_is_of_a_shipped_task():
    assert {t for t, _ in ROWS} - set(shipped_tasks()) == {"superglue"}


@pytest.mark.parametrize(
    "name", [n for n, t in shipped_tasks().items() if t.scoring != "none"]
)
def test_the_main_metric_of_a_shipped_task_has_its_row_and_k(name):
    task = shipped_tasks()[name]
    values = published_values(task.name, task.metrics[0])
    assert values is not None
    assert task.shots in (0, values.shots)


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("size", range(8))
def test_superglue_s_rows_average_to_what_is_printed_as_the_average(
    setting, size
):
    parts = [
        [("boolq", "acc")],
        [("cb", "acc"), ("cb", "f1")],
        [("copa", "acc")],
        [("rte", "acc")],
        [("wic", "acc")],
        [("wsc", "acc")],
        [("multirc", "acc"), ("multirc", "f1a")],
        [("record", "acc"), ("record", "f1")],
    ]
    table = published_table()

    def value(row):
        return getattr(table[row], setting)[size]

    average = sum(sum(map(value, part)) / len(part) for part in parts) / 8
    # Printed to 0.1, of parts that are rounded as well.
    assert average == pytest.approx(value(("superglue", "average")), abs=0.8e-3)


@pytest.mark.parametrize(
    "task, metric, printed",
    [
        ("squadv2", "exact_match", "em"),
        ("squadv2", "squad_exact_match", "em"),
        ("squadv2", "f1", "f1"),
        ("triviaqa", "exact_match", "acc"),
        ("piqa", "accuracy", "acc"),
        ("cb", "macro_f1", "f1"),
        ("multirc", "f1_answers", "f1a"),
        ("wmt14_en_fr", "bleu", "BLEU-sb"),
        ("lambada", "perplexity", "ppl"),
        ("lambada_cloze", "perplexity", "ppl"),
        ("wmt16_ro_en_zero_shot", "bleu", "BLEU-sb"),
        ("coqa", "coqa_f1", "f1"),
        ("drop", "drop_f1", "f1"),
        ("quac", "quac_f1", "f1"),
        ("record", "f1", "f1"),
        ("wsc", "accuracy", "acc"),
        ("superglue", "average", "average"),
    ],
)
def test_a_metric_finds_the_row_of_the_paper_s_name_for_it(
    task, metric, printed
):
    assert published_values(task, metric).metric == printed


@pytest.mark.parametrize(
    "task, metric", [("piqa", "bleu"), ("mine", "accuracy"), ("piqa", "new")]
)
def test_what_the_paper_has_not_is_none(task, metric):
    assert published_values(task, metric) is None


def test_shots_pick_the_setting_and_the_curve_holds_all_three():
    values = published_values("hellaswag", "accuracy")
    assert values.of_shots(0) == values.zero_shot
    assert values.of_shots(1) == values.one_shot
    assert values.of_shots(4) == values.of_shots(20) == values.few_shot
    assert values.curve(0) == (
        (0, values.zero_shot[0]),
        (1, values.one_shot[0]),
        (20, values.few_shot[0]),
    )


def test_bleu_and_perplexity_stay_as_printed():
    assert published_values("wmt14_fr_en", "bleu").few_shot[-1] == 41.4
    assert published_values("lambada", "perplexity").zero_shot[-1] == 3.0


def test_sizes_are_table_d_1_s_in_rising_order():
    sizes = list(paper_sizes().values())
    assert sizes == sorted(sizes)
    assert sizes[0] == 125_000_000
    assert sizes[-1] == 174_600_000_000


def test_without_pyyaml_the_extra_is_named(monkeypatch):
    published_table.cache_clear()
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(ImportError) as caught:
        published_values("piqa", "accuracy")
    assert str(caught.value) == (
        "The paper's values must be read with PyYAML. Received: import of yaml "
        "halted; None in sys.modules. Install it with pip install "
        "'keras-gpt3[evaluate]'."
    )
