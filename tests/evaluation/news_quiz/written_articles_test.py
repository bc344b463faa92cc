import numpy as np
import pytest

from keras_gpt3.evaluation.news_quiz.articles import Article
from keras_gpt3.evaluation.news_quiz.written_articles import WritingSettings
from keras_gpt3.evaluation.news_quiz.written_articles import article_prompts
from keras_gpt3.evaluation.news_quiz.written_articles import check_prompts_fit
from keras_gpt3.evaluation.news_quiz.written_articles import control_settings
from keras_gpt3.evaluation.news_quiz.written_articles import write_articles
from keras_gpt3.reporting.progress import ProgressBar
from tests.small_gpt3 import TALKING_CONTEXT
from tests.small_gpt3 import talking_model

ARTICLE = Article("A", "B", "the cat sat on the mat")


class StandInModel:
    """Says what it is told to, and keeps how it was asked."""

    def __init__(self, answers):
        self.answers, self.asked = answers, []

    def generate(self, prompt, **options):
        self.asked.append((prompt, options))
        return self.answers


def write(model, settings, prompts=("x",)):
    bar = ProgressBar("articles", len(prompts), verbose=False)
    articles = [ARTICLE] * len(prompts)
    return write_articles(model, prompts, articles, settings, "m", bar)


def test_a_prompt_is_the_papers():
    # The form of Figures 3.14 and 3.15, with articles before it.
    shown = [Article("One", "First", "a\nb"), Article("Two", "Second", "c")]
    (prompt,) = article_prompts(shown, [Article("Three", "Third", "secret")])
    assert prompt == (
        "Title: One\nSubtitle: First\nArticle: a\nb\n\n"
        "Title: Two\nSubtitle: Second\nArticle: c\n\n"
        "Title: Three\nSubtitle: Third\nArticle:"
    )
    (alone,) = article_prompts([], [Article("Three", "Third", "secret")])
    assert alone == "Title: Three\nSubtitle: Third\nArticle:"


def test_the_settings_are_the_papers_and_the_control_has_no_context():
    settings = WritingSettings()
    assert (settings.shots, settings.samples) == (3, 5)
    assert (settings.temperature, settings.top_p) == (1.0, 0.9)
    bad = control_settings(settings)
    assert (bad.shots, bad.samples, bad.top_p) == (0, 5, 1.0)
    assert bad.temperature > settings.temperature


def test_the_sample_of_the_closest_length_is_taken_in_form():
    model = StandInModel([" One.", " A b\n\n c d  e. F. And so", "", "g h"])
    assert write(model, WritingSettings(samples=4)) == ["A b\nc d e. F."]
    ((prompt, options),) = model.asked
    assert (prompt, options["num_return_sequences"]) == ("x", 4)
    assert options["stop"] == ["\nTitle:"]
    assert (options["temperature"], options["top_p"]) == (1.0, 0.9)


def test_one_sample_comes_without_a_list():
    assert write(StandInModel("It ends."), WritingSettings(samples=1)) == [
        "It ends."
    ]


def test_a_model_that_writes_nothing_is_named():
    message = (
        "to each title. Received: 2 empty ones of 'm' to 'A'. Draw more "
        "samples, or take another seed."
    )
    with pytest.raises(ValueError, match=message):
        write(StandInModel(["", " \n"]), WritingSettings(samples=2))


def test_a_models_own_articles_are_a_function_of_the_seed():
    model = talking_model()
    settings = WritingSettings(samples=2, max_new_tokens=12)
    first = write(model, settings, ("the cat", "the mat"))
    assert first == write(model, settings, ("the cat", "the mat"))
    other = WritingSettings(samples=2, max_new_tokens=12, seed=1)
    assert first != write(model, other, ("the cat", "the mat"))


def test_a_prompt_must_leave_room_for_an_article():
    model = talking_model()
    settings = WritingSettings(max_new_tokens=12)
    count = len(model.preprocessor.tokenizer.encode_to_numpy("the cat"))
    room = TALKING_CONTEXT - count
    check_prompts_fit(
        model, ["the cat"], WritingSettings(max_new_tokens=room), "m"
    )
    with pytest.raises(ValueError, match=f"with {TALKING_CONTEXT} of 'm'."):
        check_prompts_fit(
            model, ["the cat"], WritingSettings(max_new_tokens=room + 1), "m"
        )
    with pytest.raises(ValueError, match="must fit the context of a model. "):
        check_prompts_fit(model, ["the", "the cat" * 20], settings, "m")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("shots", -1),
        ("samples", 0),
        ("max_new_tokens", 0),
        ("seed", -1),
        ("temperature", 0.0),
        ("temperature", np.inf),
        ("top_p", 0.0),
    ],
)
def test_settings_out_of_range_are_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} must be a"):
        WritingSettings(**{name: value})
