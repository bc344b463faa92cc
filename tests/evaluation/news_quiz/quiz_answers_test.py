import dataclasses
import json

import pytest

from keras_gpt3.evaluation.news_quiz.quiz_answers import read_key
from keras_gpt3.evaluation.news_quiz.quiz_answers import read_participants
from keras_gpt3.evaluation.news_quiz.quiz_page import write_quiz
from tests.evaluation.some_quiz import participant
from tests.evaluation.some_quiz import some_key

KEY = some_key()


def save(folder, name="answers", **changes):
    """Writes answers as the page does, with some changed."""
    content = dataclasses.asdict(participant(KEY, 1, 4)) | changes
    path = folder / f"{name}.json"
    path.write_text(json.dumps(content), "utf-8")
    return path


def answers(*changes):
    """The answers of a participant, with fields of some changed."""
    content = [
        dataclasses.asdict(answer) for answer in participant(KEY, 1, 4).answers
    ]
    for place, change in changes:
        content[place] |= change
    return content


@pytest.mark.parametrize("check", [KEY.check, None])
def test_a_key_comes_back_from_its_folder(tmp_path, check):
    key = some_key(check=check)
    write_quiz(tmp_path, key)
    found = read_key(tmp_path)
    assert found == dataclasses.replace(
        key,
        items=tuple(found.items),
        experiments=tuple(found.experiments),
    )


def test_files_and_folders_of_answers_are_read(tmp_path):
    (tmp_path / "more").mkdir()
    first = save(tmp_path)
    save(tmp_path / "more", "b", participant="b")
    save(tmp_path / "more", "a", participant="c")
    found = read_participants([first, tmp_path / "more"], KEY)
    assert [p.participant for p in found] == ["a", "c", "b"]
    assert found[0] == participant(KEY, 1, 4)


ITEMS = [answer.item for answer in participant(KEY, 1, 4).answers]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"study": "other"}, "of study 'other', not "),
        ({"quiz": 9}, "answer each article of its quiz once, by one of"),
        ({"answers": answers()[1:]}, "with 5 answers. Leave it out"),
        ({"answers": answers((0, {"item": ITEMS[1]}))}, "with 6 answers."),
        ({"answers": answers((0, {"choice": "yes"}))}, "by one of the five"),
        ({"check": None}, "by one of the five choices"),
        ({"answers": answers((2, {"seen": 1}))}, r"answers.2.seen=1 \(Input"),
        ({"age": 38}, r"age=38 \(Unexpected keyword argument\)"),
        ({"looked_up": "no"}, "looked_up='no'"),
        ({"answers": answers((0, {"seconds": "3"}))}, "answers.0.seconds='3'"),
    ],
)
def test_what_the_page_cannot_have_saved_is_refused(tmp_path, changes, message):
    path = save(tmp_path, **changes)
    with pytest.raises(ValueError, match=message) as error:
        read_participants([path], KEY)
    assert f"'{path}'" in str(error.value)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"study": 1}'])
def test_a_file_of_something_else_is_refused(tmp_path, text):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="must be what the page of a quiz s"):
        read_participants([path], KEY)
    (tmp_path / "key.json").write_text(text)
    with pytest.raises(ValueError, match="that news-quiz make wrote. Rec"):
        read_key(tmp_path)


def test_nobody_is_counted_twice(tmp_path):
    paths = [save(tmp_path, "a"), save(tmp_path, "b")]
    with pytest.raises(ValueError, match="counted once. Received: .*a.json'"):
        read_participants(paths, KEY)


def test_there_must_be_answers(tmp_path):
    with pytest.raises(ValueError, match="must be answers to score. Received"):
        read_participants([tmp_path], KEY)
    with pytest.raises(FileNotFoundError, match="which does not exist. Leave"):
        read_participants([tmp_path / "none.json"], KEY)
    with pytest.raises(FileNotFoundError, match="which does not exist. Pass"):
        read_key(tmp_path)
