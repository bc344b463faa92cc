import collections
import json

import pytest

from keras_gpt3.evaluation.news_quiz.quiz_key import Check
from keras_gpt3.evaluation.news_quiz.quiz_key import key_text
from keras_gpt3.evaluation.news_quiz.quiz_key import make_key
from tests.evaluation.some_quiz import ARTICLES
from tests.evaluation.some_quiz import EXPERIMENTS
from tests.evaluation.some_quiz import TEXTS
from tests.evaluation.some_quiz import some_key


@pytest.mark.parametrize("count", [2, 5, 6])
@pytest.mark.parametrize("seed", [0, 1])
def test_what_is_real_in_quiz_a_is_the_models_in_quiz_b(count, seed):
    texts = [some[:count] for some in TEXTS]
    key = make_key(ARTICLES[:count], EXPERIMENTS, texts, seed=seed)
    items = {item.id: item for item in key.items}
    real = collections.defaultdict(list)
    for quiz in key.quizzes:
        shown = [items[number] for number in quiz.items]
        assert {i.title for i in shown} == {a.title for a in ARTICLES[:count]}
        assert len(shown) == count
        humans = {i.title for i in shown if i.experiment is None}
        others = {i.experiment for i in shown} - {None}
        assert others == {quiz.experiment}
        real[quiz.experiment].append(humans)
    for first, second in real.values():
        # Half of them, or one more: 12 and 13 in the paper's of 25.
        assert not first & second and len(first | second) == count
        assert abs(len(first) - len(second)) <= 1
    assert len(real) == 2


def test_items_hold_the_text_of_who_wrote_them():
    for item in some_key().items:
        number = int(item.title.split()[1])
        assert item.subtitle == f"Subtitle {number}"
        expected = (
            ARTICLES[number].text
            if item.experiment is None
            else TEXTS[item.experiment][number]
        )
        assert item.text == expected


def test_no_number_tells_who_wrote_an_article():
    """The kinds stand mixed, and so do the quizzes, in some order by seed."""
    orders, quizzes = set(), set()
    for seed in range(8):
        key = some_key(seed=seed)
        orders.add(tuple(item.experiment for item in key.items))
        quizzes.add(tuple(quiz.experiment for quiz in key.quizzes))
        assert all(q.items == tuple(sorted(q.items)) for q in key.quizzes)
    assert len(orders) == 8 and len(quizzes) > 2


def test_the_same_seed_gives_the_same_key():
    assert some_key() == some_key()
    assert some_key().study != some_key(seed=1).study


def test_a_key_is_json():
    content = json.loads(key_text(some_key()))
    assert content["experiments"][0]["name"] == "bad"
    assert content["check"]["answer"] == "five"


def test_one_article_is_too_few():
    with pytest.raises(ValueError, match="at least two articles, one of each"):
        make_key(ARTICLES[:1], EXPERIMENTS, TEXTS)


def test_a_check_is_passed_but_for_case_and_spaces():
    check = Check("?", "Straße 5")
    assert check.is_passed(" strasse  5 ")
    assert not check.is_passed("")
