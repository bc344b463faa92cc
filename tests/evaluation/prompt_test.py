import dataclasses
import re

import pytest

from keras_gpt3.evaluation.example import Example
from keras_gpt3.evaluation.prompt import build_prompt
from keras_gpt3.evaluation.prompt import fit
from keras_gpt3.evaluation.task import Task

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


def test_the_instruction_is_first_and_the_question_last():
    assert build_prompt(TASK, SHOWN[:2], ASKED) == (
        "Translate:\notter => loutre\nmint => menthe\nplush =>"
    )
    assert build_prompt(TASK, [], ASKED) == "Translate:\nplush =>"


def test_without_an_instruction_there_is_no_delimiter_before_all():
    task = dataclasses.replace(TASK, instruction="", delimiter="\n\n")
    assert build_prompt(task, SHOWN[:1], ASKED) == (
        "otter => loutre\n\nplush =>"
    )
    assert build_prompt(task, [], ASKED) == "plush =>"


def test_the_published_records_are_joined_as_they_are():
    task = dataclasses.replace(
        TASK,
        instruction="Please unscramble the letters into a word, and write "
        "that word:",
        delimiter="",
    )
    shown = [Example("\nasinoc =", (" casino",))]
    assert build_prompt(task, shown, Example("\nrslaye =", ("layers",))) == (
        "Please unscramble the letters into a word, and write that word:"
        "\nasinoc = casino\nrslaye ="
    )


def test_a_demonstration_with_choices_shows_the_right_one():
    shown = dataclasses.replace(SENTENCE, label=1)
    assert build_prompt(TASK, [shown], SENTENCE, "The ice") == (
        "Translate:\nThe old man at home was cold.\nThe ice"
    )


def most_that_fit(encode, example, room, contexts):
    """All numbers of demonstrations tried, from the highest."""
    for shots in range(len(SHOWN), -1, -1):
        prompts = (
            build_prompt(TASK, SHOWN[:shots], example, context)
            for context in contexts
        )
        if all(len(encode(prompt)) <= room for prompt in prompts):
            return shots
    return None


@pytest.mark.parametrize("encode", [words, merged, list])
@pytest.mark.parametrize("example", [ASKED, SENTENCE])
def test_as_many_fit_as_trying_all_numbers_finds(encode, example):
    contexts = example.contexts or (example.context,)
    found = set()
    for room in range(120):
        expected = most_that_fit(encode, example, room, contexts)
        found.add(expected)
        if expected is not None:
            assert fit(encode, TASK, SHOWN, example, room) == expected
    assert found == {None, 0, 1, 2, 3}


@pytest.mark.parametrize("factor", [0.5, 2])
def test_a_wrong_guess_is_corrected(factor):
    pieces = {shown.demonstration + "\n" for shown in SHOWN}

    def encode(text):
        length = len(words(text))
        # Alone a demonstration has half, or twice, the tokens.
        return range(int(length * factor) if text in pieces else length)

    for room in range(4, 30):
        expected = most_that_fit(words, ASKED, room, (ASKED.context,))
        assert fit(encode, TASK, SHOWN, ASKED, room) == expected


def test_pieces_are_encoded_once():
    calls = []

    def encode(text):
        calls.append(text)
        return words(text)

    lengths = {}
    for name in ("a", "b", "c"):
        fit(encode, TASK, SHOWN, Example(name, ("",)), 100, lengths)
    # Instruction and demonstrations once; each context alone and in its prompt.
    assert len(calls) == 1 + 3 + 3 * 2
    assert len(lengths) == 4


def test_an_example_that_never_fits_is_named():
    message = (
        "A prompt must fit into 3 tokens. Received: 4 tokens with no "
        "demonstrations for a.jsonl:3. Shorten the record, or use a model with "
        "a longer context."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        fit(words, TASK, SHOWN, ASKED, room=3)


def test_an_example_of_no_file_is_named_by_its_context():
    with pytest.raises(ValueError, match="for 'plush =>'. Shorten"):
        fit(words, TASK, [], dataclasses.replace(ASKED, where=""), room=3)
