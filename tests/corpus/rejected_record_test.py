import json

from keras_gpt3.corpus.pipeline.document import Document
from keras_gpt3.corpus.pipeline.document import RejectedRecord


def test_a_record_comes_back_from_its_line_with_its_first_characters():
    record = RejectedRecord(
        "novels", "no JSON", "x" * 2000, where="a.jsonl:3", detail={"n": 1}
    )
    back = RejectedRecord.from_json(record.to_json())
    assert back.text == "x" * 1000
    assert back.reason == "no JSON"
    assert back.where == "a.jsonl:3"
    assert back.detail == {"n": 1}


def test_a_dropped_document_keeps_its_id_source_and_text():
    document = Document("a", "novels", "Once")
    record = RejectedRecord.of_document(document, "low score", 0.25)
    assert json.loads(record.to_json()) == {
        "id": "a",
        "source": "novels",
        "where": None,
        "reason": "low score",
        "detail": 0.25,
        "text": "Once",
    }
