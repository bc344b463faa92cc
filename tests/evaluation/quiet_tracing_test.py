import logging

from keras_gpt3.evaluation.few_shot.evaluation_run import quiet_tracing

LOGGER = logging.getLogger("tensorflow")
MESSAGE = "5 out of the last 5 calls to %s triggered tf.function retracing."


def test_only_warnings_of_retracing_are_dropped_and_only_inside(caplog):
    with quiet_tracing():
        LOGGER.warning(MESSAGE, "forward")
        LOGGER.warning("Another one")
    assert caplog.messages == ["Another one"]
    LOGGER.warning(MESSAGE, "forward")
    assert len(caplog.messages) == 2
