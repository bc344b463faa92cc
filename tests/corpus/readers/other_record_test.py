from keras_gpt3.corpus.readers.other_record import OtherRecord


def test_records_of_a_kind_are_equal():
    assert OtherRecord("request") == OtherRecord("request")
    assert OtherRecord("request") != OtherRecord("metadata")
