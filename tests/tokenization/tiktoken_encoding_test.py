import socket

import numpy as np

from keras_gpt3.tokenization.byte_pair_encoding import build_tiktoken_encoding
from tests.tokenization.small_vocabulary import small_vocabulary

END = "<|endoftext|>"


def build(vocabulary):
    _, merges = small_vocabulary()
    rules = [tuple(rule.split(" ")) for rule in merges]
    return build_tiktoken_encoding(vocabulary, rules, (END,))


def test_needs_no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError("network")

    monkeypatch.setattr(socket, "socket", refuse)
    encoding, _ = build(small_vocabulary()[0])
    assert encoding.encode_ordinary("hello") == [259]


def test_ids_in_merge_order_need_no_second_pass():
    vocabulary, _ = small_vocabulary()
    assert build(vocabulary)[1] is None
    del vocabulary[END]
    _, rank_to_id = build({END: 0} | {t: i + 1 for t, i in vocabulary.items()})
    assert np.array_equal(rank_to_id, [*range(1, len(vocabulary) + 1), 0])
