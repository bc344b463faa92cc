import pytest

from keras_gpt3.evaluation.news_quiz.articles import Article
from keras_gpt3.evaluation.news_quiz.quiz_making import check_count
from keras_gpt3.evaluation.news_quiz.quiz_making import make_check
from keras_gpt3.evaluation.news_quiz.quiz_making import make_quiz
from keras_gpt3.evaluation.news_quiz.quiz_making import read_welcome
from keras_gpt3.evaluation.news_quiz.quiz_making import writing_plans
from keras_gpt3.evaluation.news_quiz.quiz_page import WELCOME
from keras_gpt3.evaluation.news_quiz.written_articles import WritingSettings
from tests.small_gpt3 import small_text_model

SETTINGS = WritingSettings(shots=1, samples=2, max_new_tokens=6)
ARTICLES = [
    Article(f"T{n}", "the", "the cat sat on the mat.") for n in range(4)
]


@pytest.fixture(scope="module")
def model():
    # Room for a prompt of two articles, a token for each character.
    return small_text_model(num_layers=1, max_sequence_length=120)


def test_models_write_to_all_titles_but_those_in_the_prompts(model):
    plans = writing_plans(["m"], "m", SETTINGS, 2.0)
    key = make_quiz({"m": model}, plans, ARTICLES, verbose=False)
    assert {item.title for item in key.items} == {"T1", "T2", "T3"}
    assert len(key.items) == 3 * 3
    control, own = key.experiments
    assert (control.name, control.is_control) == ("m", True)
    assert control.settings["temperature"] == 2.0
    assert (control.settings["shots"], own.settings["shots"]) == (0, 1)
    assert own.num_parameters == model.backbone.count_params()
    again = make_quiz({"m": model}, plans, ARTICLES, verbose=False)
    assert key == again


def test_a_prompt_that_does_not_fit_is_told_before_anything_is_written():
    small = small_text_model(num_layers=1, max_sequence_length=60)
    plans = writing_plans(["m"], "m", SETTINGS, 1.5)
    with pytest.raises(ValueError, match="must fit the context of a model. "):
        make_quiz({"m": small}, plans, ARTICLES, verbose=False)


def test_the_control_comes_first_and_each_model_once():
    plans = writing_plans(["a", "b"], "a", SETTINGS, 1.5)
    assert [(p.name, p.is_control) for p in plans] == [
        ("a", True),
        ("a", False),
        ("b", False),
    ]
    with pytest.raises(ValueError, match="named once. Received: a, b, a."):
        writing_plans(["a", "b", "a"], "a", SETTINGS, 1.5)
    with pytest.raises(ValueError, match="control_temperature must be a fin"):
        writing_plans(["a"], "a", SETTINGS, 0.0)


def test_articles_must_be_enough_for_prompts_and_quiz():
    check_count(ARTICLES, 2)
    with pytest.raises(ValueError, match="Received: 4 articles, shots=3. Add"):
        check_count(ARTICLES, 3)


def test_a_check_has_a_question_and_an_answer():
    assert make_check(None, None) is None
    assert make_check("Q?", "A").is_passed("a")
    for pair in (("Q?", None), (None, "A")):
        with pytest.raises(ValueError, match="must have its right answer"):
            make_check(*pair)


def test_a_welcome_is_the_paragraphs_of_a_file(tmp_path):
    path = tmp_path / "welcome.txt"
    path.write_text("One\ntwo.\n\n\n Three.\n")
    assert read_welcome(path) == ("One two.", "Three.")
    assert len(WELCOME) == 2


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "must be a text file in UTF-8. Received: .* such file"),
        (b"\xff", "must be a text file in UTF-8. "),
        (b" \n", "must have text to show. "),
    ],
)
def test_a_welcome_that_cannot_be_read_is_told(tmp_path, data, message):
    path = tmp_path / "welcome.txt"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(ValueError, match=message):
        read_welcome(path)
