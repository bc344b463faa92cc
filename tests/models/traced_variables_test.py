import keras

from keras_gpt3.models.generate.traced_variables import TracedVariables


def test_only_other_variables_are_a_change_and_not_other_values():
    first, second = keras.Variable(1.0), keras.Variable(1.0)
    traced = TracedVariables()
    assert traced.have_changed([first])
    first.assign(2.0)
    assert not traced.have_changed([first])
    assert traced.have_changed([second])
    assert traced.have_changed([second, first])
    assert traced.have_changed([first, second])
    assert traced.have_changed([])
    assert not traced.have_changed([])
