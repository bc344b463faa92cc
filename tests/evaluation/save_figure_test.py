from matplotlib.figure import Figure
from matplotlib.image import imread

from keras_gpt3.reporting.save_figure import save_figure


def test_a_figure_is_saved_as_sharp_as_all(tmp_path):
    figure = Figure(figsize=(2, 1))
    assert save_figure(figure, tmp_path / "a.png") is figure
    assert imread(tmp_path / "a.png").shape[:2] == (150, 300)


def test_no_path_saves_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_figure(Figure(), None)
    assert list(tmp_path.iterdir()) == []


def test_letters_that_the_font_does_not_have_are_no_warning(tmp_path):
    figure = Figure()
    figure.text(0.5, 0.5, "\u4f60")
    save_figure(figure, tmp_path / "a.png")
