"""Where the workers of a run wait for each other. TensorFlow only."""


def wait_for_all(strategy):
    """Returns when every worker has come here.

    Args:
        strategy: `tf.distribute.Strategy`. With one worker nothing is waited
            for.

    Example:

    ```python
    import tensorflow as tf

    from keras_gpt3.training.worker_barrier import wait_for_all

    wait_for_all(tf.distribute.get_strategy())
    ```
    """
    import tensorflow as tf

    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return

    def exchange():
        replica = tf.distribute.get_replica_context()
        return replica.all_reduce(tf.distribute.ReduceOp.SUM, tf.ones(()))

    # A sum over all replicas is there when the last one has come.
    total = tf.function(lambda: strategy.run(exchange))()
    strategy.experimental_local_results(total)[0].numpy()
