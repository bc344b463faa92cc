import pytest

from keras_gpt3.corpus.pipeline.document import Document


@pytest.mark.parametrize(
    "document",
    [
        Document("a", "novels", "Once\nupon \u2028 a time \U0001f600"),
        Document("a", "crawl", "", url="http://a.org"),
        Document("a", "crawl", "x", extra={"score": 0.5, "n": [1, None]}),
    ],
)
def test_a_document_comes_back_from_its_line(document):
    line = document.to_json()
    assert "\n" not in line
    assert Document.from_json(line) == document
    assert Document.from_json(line.encode()) == document


def test_extra_values_are_added_and_replaced():
    document = Document("a", "novels", "Once", extra={"score": 0.5, "n": 1})
    more = document.with_extra(score=0.75)
    assert more.extra == {"score": 0.75, "n": 1}
    assert document.extra == {"score": 0.5, "n": 1}


@pytest.mark.parametrize("line", ['{"id": "a"}', "[1]", "{", b"\xff", "3"])
def test_what_is_no_document_is_named(line):
    with pytest.raises(ValueError, match="A line of a part must be JSON with"):
        Document.from_json(line)
