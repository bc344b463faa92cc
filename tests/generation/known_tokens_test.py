import numpy as np
import pytest

from keras_gpt3.generation.logit_filters import rule_out_unknown

LOGITS = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]], "float32")


def test_ids_beyond_the_tokenizer_s_are_never_the_highest():
    kept = np.asarray(rule_out_unknown(LOGITS, 2))
    np.testing.assert_array_equal(kept[:, :2], LOGITS[:, :2])
    assert (kept[:, 2] == np.float32(-1e30)).all()


@pytest.mark.parametrize("num_known", [None, 3])
def test_where_all_are_known_nothing_is_done(num_known):
    assert rule_out_unknown(LOGITS, num_known) is LOGITS
