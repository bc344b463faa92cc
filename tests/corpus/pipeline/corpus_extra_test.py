import logging

import pytest

from keras_gpt3.needed_packages import import_extra


def test_a_module_is_imported():
    assert import_extra("logging") is logging


def test_a_missing_module_is_one_sentence_with_the_command():
    with pytest.raises(
        ImportError,
        match=r"Received: No module named 'no_such_module'\. Install it with "
        r"pip install 'keras-gpt3\[corpus\]'\.",
    ):
        import_extra("no_such_module")


def test_the_log_is_as_before():
    disabled = logging.root.manager.disable
    import_extra("json")
    assert logging.root.manager.disable == disabled
