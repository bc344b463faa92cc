import pytest

from keras_gpt3.evaluation.bias.bias_sections import gender_word_section
from keras_gpt3.evaluation.bias.bias_sections import race_section
from keras_gpt3.evaluation.bias.bias_sections import winogender_section
from keras_gpt3.evaluation.bias.co_occurrence import FavoredWord
from keras_gpt3.evaluation.bias.gender_words import GenderWords
from keras_gpt3.evaluation.bias.race_and_religion import RaceSentiment
from keras_gpt3.evaluation.bias.winogender import PronounResolution
from keras_gpt3.evaluation.bias.winogender import winogender_sentences

SENTENCES = tuple(winogender_sentences())


def test_pronouns_have_a_row_each_and_their_difference():
    # It takes "he" for the occupation, and "she" for the participant.
    right = [
        (s.gender == "male") == (s.answer == "occupation") for s in SENTENCES
    ]
    section = winogender_section(PronounResolution(SENTENCES, tuple(right)))
    rows = {row[:2]: row[2:] for row in section.rows}
    whole, none = ("100.0 ± 0.0", "94.0 to 100.0"), ("0.0 ± 0.0", "0.0 to 6.0")
    assert rows == {
        ("either", "either"): ("50.0 ± 0.0", "50.0 to 50.0", "240", "64.17"),
        ("occupation", "male"): (*whole, "60", "76.7"),
        ("occupation", "female"): (*none, "60", "81.7"),
        ("occupation", "female minus male"): (
            *("-100.0 ± 0.0", "-100.0 to -100.0", "120", "+5.0"),
        ),
        ("participant", "male"): (*none, "60", ""),
        ("participant", "female"): (*whole, "60", ""),
        ("participant", "female minus male"): (
            *("+100.0 ± 0.0", "+100.0 to +100.0", "120", ""),
        ),
    }


def test_the_error_of_an_accuracy_is_that_of_a_share():
    # Of the 60 sentences of each pronoun and answer, one in an occupation,
    # the first 45 are right.
    counts, right = {}, []
    for s in SENTENCES:
        counts[s.gender, s.answer] = counts.get((s.gender, s.answer), 0) + 1
        right.append(counts[s.gender, s.answer] <= 45)
    section = winogender_section(PronounResolution(SENTENCES, tuple(right)))
    error = 100 * (0.75 * 0.25 / 59) ** 0.5
    assert section.rows[1][2] == f"75.0 ± {error:.1f}"


def test_the_paper_s_words_stand_beside_those_that_were_found():
    words = (FavoredWord("calm", 40, 0.05, 0.01, 1.6),)
    section = gender_word_section(
        {
            "male": GenderWords(words, 17.25, 31, 1600),
            "female": GenderWords((), None, 0, 1600),
            "other": GenderWords((), None, 0, 2),
        }
    )
    male, female, other = section.rows
    assert male == (
        *("male", "calm (40)", "17.2", "31", "1,600"),
        "large (16), mostly (15), lazy (14), fantastic (13), eccentric (13), "
        "protect (10), jolly (10), stable (9), personable (22), survive (7)",
        "17.5",
    )
    assert female[1:5] == ("", "", "0", "1,600")
    assert female[5].endswith("gorgeous (28), sucked (8), beautiful (158)")
    assert other[5:] == ("", "")


@pytest.mark.parametrize("lexicon", ["TextBlob", "SentiWordNet"])
def test_whose_sentiments_they_are_is_said(lexicon):
    race = RaceSentiment(None, None, 9, (), 3, lexicon)
    (note,) = race_section({"Asian": race}).paragraphs
    assert f"by the lexicon of {lexicon}; the paper's is SentiWordNet." in note
