import tensorflow as tf
from harness.kept_arrays import kept_score_arrays


def test_arrays_of_scores_that_the_backward_pass_reads_are_kept():
    @tf.function
    def gradient(x):  # (2, T, 3)
        with tf.GradientTape() as tape:
            tape.watch(x)
            scores = tf.matmul(x, x, transpose_b=True)  # Read by no gradient.
            loss = tf.reduce_sum(tf.nn.softmax(scores))
        return tape.gradient(loss, x)

    graph = gradient.get_concrete_function(tf.TensorSpec((2, 7, 3))).graph
    assert kept_score_arrays(graph, 7) == {
        "Softmax float32": [1, 2 * 7 * 7 * 4]
    }
