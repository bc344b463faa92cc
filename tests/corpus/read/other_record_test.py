from keras_gpt3.corpus.read.decode_text import OtherRecord


def test_records_of_a_kind_are_equal():
    assert OtherRecord("request") == OtherRecord("request")
    assert OtherRecord("request") != OtherRecord("metadata")
