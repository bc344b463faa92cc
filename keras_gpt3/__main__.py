"""`python -m keras_gpt3`: the `keras-gpt3` command."""

from keras_gpt3.cli.main import app

if __name__ == "__main__":
    app(prog_name="keras-gpt3")
