"""What the workers of a run tell each other between steps. TensorFlow only."""


def from_first_worker(strategy, number):
    """Gives every worker the number that the first one has.

    All workers must call it; each returns when all have. With one worker
    nothing is waited for.
    """
    import tensorflow as tf

    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return number

    def exchange(number):
        replica = tf.distribute.get_replica_context()
        is_first = replica.replica_id_in_sync_group == 0
        return replica.all_reduce(
            tf.distribute.ReduceOp.SUM,
            tf.where(is_first, number, tf.zeros_like(number)),
        )

    share = tf.function(lambda x: strategy.run(exchange, args=(x,)))
    total = share(tf.constant(number, "float64"))
    return int(strategy.experimental_local_results(total)[0])


def wait_for_all(strategy):
    """Returns when every worker has come here."""
    from_first_worker(strategy, 0)
