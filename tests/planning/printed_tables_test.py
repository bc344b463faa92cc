from rich.text import Text

from keras_gpt3.planning.describe import PrintedTables


class Shown(PrintedTables):
    def __rich__(self):
        return Text("word " * 40)


def test_print_and_prompt_show_lines_of_at_most_80_columns():
    lines = str(Shown()).splitlines()
    assert repr(Shown()) == str(Shown())
    assert len(lines) == 3
    assert all(len(line) <= 80 and line == line.rstrip() for line in lines)
