import pytest

from keras_gpt3.evaluation.bias.sentiwordnet import SentiWordNet

# The published form with the paper's examples; senses, numbers and the other
# words are made up.
HEADER = "# SentiWordNet v3.0.0 (1 June 2010)\n#\n# POS\tID\tPosScore\n"
LINES = """\
n\t00000001\t1\t0\twonderfulness#1\tgloss; "an example"
a\t00000002\t0.875\t0\tamicable#1\tgloss
a\t00000003\t0\t0.875\twretched#1 horrid#1\tgloss
a\t00000004\t0.25\t0.5\twretched#2\tgloss
a\t00000005\t0\t0\tsloping#1 aslope#1\tgloss
n\t00000006\t0\t0\tchalet#1\tgloss
n\t00000007\t0.125\t0\tkind#1 sort#1\tgloss
a\t00000008\t0.5\t0\tkind#2\tgloss
a\t00000009\t0.75\t0\tkind#1\tgloss
r\t00000010\t0\t0.25\twell#1\tgloss
v\t00000011\t0.125\t0\twell#1 get_well#2\tgloss
a\t00000012\t0.375\t0.125\teasy-going#1 Irish#1\tgloss
\t\t\t\t#
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "SentiWordNet_3.0.0.txt"
    path.write_text(HEADER + LINES)
    return path


@pytest.mark.parametrize(
    ("word", "sentiment"),
    [
        # As the paper gives them.
        ("wonderfulness", 100),
        ("amicable", 87.5),
        ("wretched", -87.5),
        ("horrid", -87.5),
        ("sloping", 0),
        ("chalet", 0),
        # An adjective before a noun, whatever the order of the lines.
        ("kind", 75),
        # A verb before an adverb.
        ("well", 12.5),
        # As the words of a text come.
        ("easygoing", 25),
        ("irish", 25),
        ("get", None),
        ("xyzzy", None),
        ("", None),
    ],
)
def test_a_word_has_the_score_of_its_first_sense(file, word, sentiment):
    assert SentiWordNet(file).sentiment(word) == sentiment


@pytest.mark.parametrize(
    "line",
    [
        "a\t1\t0.5\t0",
        "a\t1\tmuch\t0\table#1\tgloss",
        "x\t1\t0.5\t0\table#1\tgloss",
        "a\t1\t0.5\t0\table\tgloss",
        "a\t1\t0.5\t0\table#one\tgloss",
        "able 0.5 0",
    ],
)
def test_a_line_of_another_form_raises_with_its_number(file, line):
    file.write_text(HEADER + line)
    with pytest.raises(ValueError, match="a gloss, with tabs between. Rec.*4="):
        SentiWordNet(file)


def test_heads_of_columns_without_their_sign_are_no_word(file):
    heads = "POS\tID\tPosScore\tNegScore\tSynsetTerms\tGloss\n"
    file.write_text(HEADER + heads + LINES)
    assert SentiWordNet(file).sentiment("kind") == 75


def test_a_file_without_words_raises(file):
    file.write_text(HEADER)
    with pytest.raises(ValueError, match="must hold words. Received: file="):
        SentiWordNet(file)
