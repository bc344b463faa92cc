import numpy as np

from keras_gpt3.evaluation.few_shot.shared_batches import prompt_arrays


def test_prompts_are_padded_on_the_right():
    arrays = prompt_arrays([(5, 6, 7), [8]])
    np.testing.assert_array_equal(
        arrays["token_ids"], np.array([[5, 6, 7], [8, 0, 0]], "int32")
    )
    np.testing.assert_array_equal(
        arrays["padding_mask"], [[True] * 3, [True, False, False]]
    )
    assert arrays["token_ids"].dtype == "int32"
