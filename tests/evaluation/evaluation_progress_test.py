import pytest

from keras_gpt3.reporting.evaluation_progress import evaluation_progress


@pytest.mark.parametrize(
    ("verbose", "is_shown"), [(True, True), (False, False), ("auto", False)]
)
def test_progress_is_on_standard_error_and_only_if_wanted(
    verbose, is_shown, capsys
):
    with evaluation_progress("capitals", 3, done=1, verbose=verbose) as advance:
        advance(2)
    written = capsys.readouterr()
    assert written.out == ""
    assert ("capitals" in written.err and "3/3" in written.err) == is_shown
