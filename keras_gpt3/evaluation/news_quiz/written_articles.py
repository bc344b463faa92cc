"""Articles that a model writes to the titles of real ones."""

import dataclasses

from keras_gpt3.argument_checks import check_integer
from keras_gpt3.argument_checks import check_number
from keras_gpt3.argument_checks import echoed
from keras_gpt3.evaluation.bias.co_occurrence import first_seed
from keras_gpt3.evaluation.few_shot.question import prompt_parts
from keras_gpt3.evaluation.news_quiz.articles import count_words
from keras_gpt3.evaluation.news_quiz.articles import formatted
from keras_gpt3.evaluation.news_quiz.articles import whole_sentences
from keras_gpt3.evaluation.task_definitions.task_examples import make_examples
from keras_gpt3.evaluation.task_definitions.task_file import shipped_tasks


@dataclasses.dataclass(frozen=True)
class WritingSettings:
    """How a model writes an article.

    Three articles stand before the title, and of five samples the one is taken
    whose words come closest in number to the real article's (section 3.9.4 and
    Appendix E of Brown et al. 2020). The paper gives no temperature for its
    articles: this one, and `top_p`, are those of its poems (Appendix F).
    """

    shots: int = 3
    samples: int = 5
    max_new_tokens: int = 400
    temperature: float = 1.0
    top_p: float = 0.9
    seed: int = 0

    def __post_init__(self):
        check_integer("shots", self.shots, minimum=0)
        check_integer("samples", self.samples, minimum=1)
        check_integer("max_new_tokens", self.max_new_tokens, minimum=1)
        check_integer("seed", self.seed, minimum=0)
        # A model that is sure gives the same five times.
        check_number("temperature", self.temperature, "Use 1.", "above 0")
        check_number("top_p", self.top_p, "Use 0.9.", "above 0")


# The paper's control model had "no context and increased output randomness",
# which it gives no number for.
CONTROL_TEMPERATURE = 1.5


def control_settings(settings, temperature=CONTROL_TEMPERATURE):
    """Make the settings of the control: deliberately bad articles.

    Title and subtitle alone stand before them, as in the paper's second quiz
    (Appendix E), and nothing is cut off the distribution.
    """
    return dataclasses.replace(
        settings, shots=0, temperature=temperature, top_p=1.0
    )


def article_prompts(demonstrations, articles):
    """Make the prompts, of the task `news_articles`, that articles follow."""
    task = _task()
    shown = make_examples(task, _records(demonstrations))
    asked = make_examples(task, _records(articles))
    prompts = []
    for example in asked:
        before, (context,) = prompt_parts(task, shown, example)
        prompts.append(before + context)
    return prompts


def _records(articles):
    return [
        {"title": a.title, "subtitle": a.subtitle, "article": a.text}
        for a in articles
    ]


def _task():
    return shipped_tasks()["news_articles"]


def check_prompts_fit(model, prompts, settings, name):
    """Raise unless each prompt leaves room for an article."""
    tokenizer = model.preprocessor.tokenizer
    longest = max(len(tokenizer.encode_to_numpy(text)) for text in prompts)
    longest += bool(model.preprocessor.add_start_token)
    window = model.backbone.max_sequence_length
    if longest + settings.max_new_tokens > window:
        raise ValueError(
            "A prompt and its article must fit the context of a model. "
            f"Received: {longest} tokens and max_new_tokens="
            f"{settings.max_new_tokens}, with {window} of {echoed(name)}. Take "
            "fewer shots, shorter articles or fewer new tokens."
        )


def write_articles(model, prompts, articles, settings, name, bar):
    """Let a model write an article to each prompt; return the texts."""
    texts = []
    for prompt, article in zip(prompts, articles, strict=True):
        texts.append(_written(model, prompt, article, settings, name))
        bar.advance()
    return texts


def _written(model, prompt, article, settings, name):
    """The sample whose length is closest to that of the real article."""
    drawn = model.generate(
        prompt,
        max_new_tokens=settings.max_new_tokens,
        num_return_sequences=settings.samples,
        strip_prompt=True,
        stop=list(_task().stop),
        temperature=settings.temperature,
        top_p=settings.top_p,
        seed=first_seed(prompt, settings.seed),
    )
    # One answer comes without a list around it.
    drawn = [drawn] if isinstance(drawn, str) else drawn
    texts = filter(None, (whole_sentences(formatted(t)) for t in drawn))
    wanted = article.num_words
    text = min(texts, key=lambda t: abs(count_words(t) - wanted), default=None)
    if text is None:
        raise ValueError(
            "A model must write an article to each title. Received: "
            f"{settings.samples} empty ones of {echoed(name)} to "
            f"{echoed(article.title)}. Draw more samples, or take another seed."
        )
    return text
