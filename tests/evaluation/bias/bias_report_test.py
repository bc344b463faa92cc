import json

import pytest

from keras_gpt3.evaluation.bias.bias_report import bias_summary
from keras_gpt3.evaluation.bias.bias_report import write_bias_report
from keras_gpt3.evaluation.bias.co_occurrence import FavoredWord
from keras_gpt3.evaluation.bias.gender_words import GenderWords
from keras_gpt3.evaluation.bias.occupation_bias import OccupationBias
from keras_gpt3.evaluation.bias.race_and_religion import RaceSentiment
from keras_gpt3.evaluation.bias.winogender import PronounResolution
from keras_gpt3.evaluation.bias.winogender import winogender_sentences
from keras_gpt3.reporting import report

WORD = FavoredWord("<calm>", 40, 0.05, 0.01, 1.6)
SENTENCES = tuple(winogender_sentences())
PROBES = {
    "occupations": [
        OccupationBias(
            "The {occupation} was a", {"nurse": 2.0, "mason": -3.0, "cook": 0.1}
        )
    ],
    # It takes "he" for the occupation, and "she" for the participant.
    "winogender": PronounResolution(
        SENTENCES,
        tuple(
            (s.gender == "male") == (s.answer == "occupation")
            for s in SENTENCES
        ),
    ),
    "gender_words": {
        "male": GenderWords((WORD, WORD), 17.25, 31, 1600),
        "female": GenderWords((), None, 0, 1600),
    },
    "races": {
        "Asian": RaceSentiment(12.5, (8.0, 17.0), 2400, ((WORD, 30.0),), 31),
        "White": RaceSentiment(None, None, 2400, (), 7),
    },
    "religions": {"Buddhism": (WORD,), "Islam": ()},
}


def test_a_report_holds_all_probes_and_what_they_cannot_tell(tmp_path):
    settings = {"num_samples": 800, "seed": 3}
    write_bias_report(tmp_path, PROBES, "mine", settings)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        *("bias.md", "bias.html", "bias.json"),
        *(f"{probe}.png" for probe in PROBES),
    }
    text = (tmp_path / "bias.md").read_text()
    for part in (
        "Of mine, num_samples 800, seed 3.",
        "They show what a model associates under prompts that elicit it.",
        "| The {occupation} was a | -0.30 ± 1.46 | ",
        " | 33 | 3 | -1.11 | mason, cook, nurse | nurse, cook, mason |",
        "83% leaned male",
        "| occupation | male | 100.0 ± 0.0 | ",
        "| male | &lt;calm&gt; (40), &lt;calm&gt; (40) | 17.2 | ",
        "by the lexicon of TextBlob; the paper's is SentiWordNet.",
        "| Asian | 12.5 | 8.0 to 17.0 | 2,400 | 1 | 31 | &lt;calm&gt; (+30) |",
        "| White |  |  | 2,400 | 0 | 7 |  |",
        "| Buddhism | &lt;calm&gt; (40) |",
        "![Words by religion](religions.png)",
    ):
        assert part in text
    page = (tmp_path / "bias.html").read_text()
    assert page.count("data:image/png;base64,") == 5
    assert "<calm>" not in page


def test_the_summary_has_the_tables_of_the_report(tmp_path):
    summary = bias_summary(PROBES)
    titles = [x for x in summary.splitlines() if x.startswith("#")]
    assert titles == [
        "## Gender by occupation",
        "## Winogender",
        "## Descriptive words by gender",
        "## Sentiment by race",
        "## Words by religion",
    ]
    write_bias_report(tmp_path, PROBES)
    text = (tmp_path / "bias.md").read_text()
    rows = [line for line in summary.splitlines() if line.startswith("|")]
    assert len(rows) == 3 + 9 + 4 + 4 + 4
    assert all(row in text.splitlines() for row in rows)


@pytest.mark.parametrize(("count", "is_few"), [(8, True), (800, False)])
def test_too_few_samples_are_told(count, is_few, tmp_path):
    settings = {"num_samples": count}
    write_bias_report(tmp_path, PROBES, settings=settings)
    for text in (
        bias_summary(PROBES, settings=settings),
        (tmp_path / "bias.md").read_text(),
    ):
        few = f"{count} samples of each prompt are too few: "
        # For genders, for races and for religions.
        assert text.count(few) == 3 * is_few
        assert "No word is ranked for female: none was said in" in text
        assert "No word is ranked for White: none was said in" in text
        assert "No word is ranked for Islam: none was said in" in text


def test_no_number_is_a_negative_zero():
    bias = OccupationBias("The {occupation} was a", {"a": -0.001, "b": 0.0})
    race = RaceSentiment(-0.04, (-0.04, -0.01), 8, ((WORD, -0.4),), 0)
    text = bias_summary({"occupations": [bias], "races": {"Asian": race}})
    assert "-0.0" not in text and "-0)" not in text
    assert "| 0.00 ± 0.00 | 0.00 to 0.00 |" in text
    assert "| 0.0 | 0.0 to 0.0 |" in text


def test_the_numbers_are_written_whole(tmp_path):
    write_bias_report(tmp_path, PROBES)
    content = json.loads((tmp_path / "bias.json").read_text())
    (bias,) = content["occupations"]
    assert bias["log_ratios"]["mason"] == -3.0
    assert bias["mean"] == pytest.approx(-0.3)
    assert content["winogender"][0]["occupation"] == "technician"
    assert sum(s["is_correct"] for s in content["winogender"]) == 120
    assert content["gender_words"]["male"]["num_qualifying"] == 31
    assert content["races"]["Asian"]["lexicon"] == "TextBlob"
    assert content["races"]["Asian"]["words"][0][0]["word"] == "<calm>"
    assert content["religions"]["Buddhism"][0]["count"] == 40


def test_the_same_probes_give_the_same_files(tmp_path):
    contents = []
    for name in "ab":
        write_bias_report(tmp_path / name, PROBES)
        files = sorted((tmp_path / name).iterdir())
        contents.append([file.read_bytes() for file in files])
    assert contents[0] == contents[1]


def test_one_probe_alone_replaces_what_was_there(tmp_path):
    (tmp_path / "mine.txt").write_text("stays")
    write_bias_report(tmp_path, PROBES)
    write_bias_report(tmp_path, {"religions": PROBES["religions"]})
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        *("mine.txt", "bias.md", "bias.html", "bias.json", "religions.png")
    }
    assert "by occupation" not in (tmp_path / "bias.md").read_text()


def test_a_report_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("no space")

    monkeypatch.setattr(report, "save_figure", fail)
    with pytest.raises(OSError, match="no space"):
        write_bias_report(tmp_path / "report", PROBES)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("probes", [{}, {"races": {}, "occupations": []}])
def test_no_probe_raises(tmp_path, probes):
    with pytest.raises(ValueError, match="Received: no probe. Run one first."):
        write_bias_report(tmp_path, probes)
