import dataclasses
import re
import types

import pytest

from keras_gpt3.evaluation.few_shot.question import PromptEncoder
from keras_gpt3.evaluation.few_shot.question import prompt_parts
from keras_gpt3.evaluation.task_definitions.task import Task
from keras_gpt3.evaluation.task_definitions.task_examples import Example

TASK = Task(
    name="french",
    title="French",
    paper="",
    fields={},
    context="",
    target="",
    scoring="generate",
    metrics=("bleu",),
    shots=2,
    instruction="Translate:",
    delimiter="\n",
)
SHOWN = [
    Example("otter =>", (" loutre", " la loutre")),
    Example("mint =>", (" menthe",)),
    Example("cheese and wine =>", (" fromage et vin",)),
]
ASKED = Example("plush =>", (" peluche",), where="a.jsonl:3")
# Two places for a name, of which one is three words longer.
SENTENCE = Example(
    "", (" was cold.",), contexts=("The ice", "The old man at home")
)


def words(text):
    """Words, and line breaks one by one."""
    return re.findall(r"\S+|\n", text)


def merged(text):
    """Words, but a line break is one token with the word behind it."""
    return re.findall(r"\n?\S+|\n", text)


def encoder(encode=words, task=TASK, window=99, add_start_token=False):
    tokenizer = types.SimpleNamespace(
        encode_to_numpy=encode, start_token_id="<start>"
    )
    preprocessor = types.SimpleNamespace(
        tokenizer=tokenizer, add_start_token=add_start_token
    )
    return PromptEncoder(preprocessor, task, window)


def text_of(task, demonstrations, example):
    """The text of the first prompt."""
    before, contexts = prompt_parts(task, demonstrations, example)
    return before + contexts[0]


def test_the_instruction_is_first_and_the_question_last():
    assert text_of(TASK, SHOWN[:2], ASKED) == (
        "Translate:\notter => loutre\nmint => menthe\nplush =>"
    )
    assert prompt_parts(TASK, [], ASKED) == ("Translate:", ("\nplush =>",))


def test_without_an_instruction_there_is_no_delimiter_before_all():
    task = dataclasses.replace(TASK, instruction="", delimiter="\n\n")
    assert text_of(task, SHOWN[:1], ASKED) == "otter => loutre\n\nplush =>"
    assert prompt_parts(task, [], ASKED) == ("", ("plush =>",))


def test_the_published_records_are_joined_as_they_are():
    task = dataclasses.replace(
        TASK,
        instruction="Please unscramble the letters into a word, and write "
        "that word:",
        delimiter="",
    )
    shown = [Example("\nasinoc =", (" casino",))]
    assert text_of(task, shown, Example("\nrslaye =", ("layers",))) == (
        "Please unscramble the letters into a word, and write that word:"
        "\nasinoc = casino\nrslaye ="
    )


def test_a_demonstration_with_choices_shows_the_right_one():
    shown = dataclasses.replace(SENTENCE, label=1)
    assert prompt_parts(TASK, [shown], SENTENCE) == (
        "Translate:\nThe old man at home was cold.",
        ("\nThe ice", "\nThe old man at home"),
    )


def test_what_is_shown_and_what_is_asked_are_encoded_apart():
    task = dataclasses.replace(TASK, delimiter="")
    (prompt,), shots = encoder(list, task)(SHOWN[:1], ASKED, 1)
    assert (list(prompt), shots) == ([*"Translate:otter => loutreplush =>"], 1)
    # As one text "loutreplush" would be one word.
    (prompt,), _ = encoder(words, task)(SHOWN[:1], ASKED, 1)
    assert prompt[-3:] == ("loutre", "plush", "=>")


@pytest.mark.parametrize("shots", [0, 1])
def test_a_start_token_stands_before_all_and_counts(shots):
    encode = encoder(window=1 + 4 + 4 * shots + 1, add_start_token=True)
    (prompt,), count = encode(SHOWN[:1], ASKED, 1)
    assert (prompt[:2], count) == (("<start>", "Translate:"), shots)


def test_an_empty_prompt_is_the_start_token():
    task = dataclasses.replace(TASK, instruction="")
    assert encoder(task=task)([], Example("", ("a",)), 1) == (
        (("<start>",),),
        0,
    )


def slow_prompts(encode, shots, example):
    """The parts' tokens, one behind the other."""
    before, contexts = prompt_parts(TASK, SHOWN[:shots], example)
    return tuple((*encode(before), *encode(text)) for text in contexts)


def most_that_fit(encode, example, room):
    """All numbers of demonstrations tried, from the highest."""
    for shots in range(len(SHOWN), -1, -1):
        prompts = slow_prompts(encode, shots, example)
        if all(len(prompt) <= room for prompt in prompts):
            return prompts, shots
    return None


@pytest.mark.parametrize("encode", [words, merged, list])
@pytest.mark.parametrize("example", [ASKED, SENTENCE])
def test_as_many_fit_as_trying_all_numbers_finds(encode, example):
    found = set()
    for room in range(120):
        expected = most_that_fit(encode, example, room)
        if expected is None:
            with pytest.raises(ValueError, match="A prompt and its answer"):
                encoder(encode, window=room + 7)(SHOWN, example, 7)
            continue
        found.add(expected[1])
        assert encoder(encode, window=room + 7)(SHOWN, example, 7) == expected
    assert found == {0, 1, 2, 3}


@pytest.mark.parametrize("factor", [0.5, 2])
def test_a_wrong_guess_is_corrected(factor):
    pieces = {"\n" + shown.demonstration for shown in SHOWN}

    def encode(text):
        found = words(text)
        # Alone a demonstration has half, or twice, the tokens.
        return (
            (found * 2)[: int(len(found) * factor)] if text in pieces else found
        )

    for room in range(5, 30):
        expected = most_that_fit(words, ASKED, room)
        assert encoder(encode, window=room)(SHOWN, ASKED, 0) == expected


def test_what_questions_share_is_encoded_once():
    calls = []

    def encode(text):
        calls.append(text)
        return words(text)

    make = encoder(encode)
    for name in ("a", "b", "c"):
        make(SHOWN, Example(name, ("",)), 1)
    assert len(calls) == len(set(calls)) == 1 + 3


def test_an_example_that_never_fits_is_named():
    message = (
        "A prompt and its answer must fit into 6 tokens. Received: 4 tokens "
        "with no demonstrations and 3 of an answer for a.jsonl:3. Shorten the "
        "record, or use a model with a longer context."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        encoder(window=6)(SHOWN, ASKED, 3)


def test_an_example_of_no_file_is_named_by_its_context():
    with pytest.raises(ValueError, match="for 'plush =>'. Shorten"):
        encoder(window=3)([], dataclasses.replace(ASKED, where=""), 1)
