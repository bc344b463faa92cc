"""An exported model where there is no Python, and under saved_model_cli."""

import ast
import pathlib
import re
import shutil
import subprocess
import sys
import types

import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.ops.graph_assertion import one_line_errors
from tests.small_gpt3 import small_text_model

pytestmark = pytest.mark.slow

PROGRAM = pathlib.Path(__file__).parents[1] / "fixtures" / "generate.c"
PROMPT, NEW_TOKENS = "the cat", 6
# All that a signature takes: TensorFlow's own session knows no defaults.
SETTINGS = (
    f"prompts=[b'{PROMPT}'];max_new_tokens={NEW_TOKENS};temperature=0.0;"
    "top_k=0;top_p=1.0;seed=0;stop=[];truncate=''"
)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A version, and what the live model says after the prompt."""
    model = small_text_model(max_sequence_length=40)
    generator = np.random.default_rng(4)
    for weight in model.weights:
        # Strong positions: the model shall not repeat itself.
        scale = 4.0 if "position" in weight.path else 0.4
        noise = generator.normal(size=weight.shape, scale=scale)
        weight.assign(noise + ("gamma" in weight.path))
    folder = tmp_path_factory.mktemp("export")
    version = model.export(folder, verbose=False)
    return types.SimpleNamespace(
        folder=version, text=live_answer(model), model=model
    )


def live_answer(model):
    """The likeliest tokens, from one full pass for each of them."""
    tokenizer = model.preprocessor.tokenizer
    (prompt,) = tokenizer.encoding.encode_batch([PROMPT], True)
    ids = [*prompt]
    for _ in range(NEW_TOKENS):
        mask = np.ones((1, len(ids)), "bool")
        logits = model({"token_ids": np.array([ids]), "padding_mask": mask})
        ids.append(int(np.argmax(logits[0, -1])))
    answer = ids[len(prompt) :]
    assert tokenizer.end_token_id not in answer and len({*answer}) > 2
    return tokenizer.detokenize([answer])[0]


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The C program, compiled against TensorFlow's own wheel."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.fail(
            "A C compiler must be there to test the export without Python. "
            "Install gcc."
        )
    path = tmp_path_factory.mktemp("program") / "generate"
    library = tf.sysconfig.get_lib()
    subprocess.run(
        [
            *(compiler, "-Wall", "-Wextra", "-Werror", str(PROGRAM)),
            # The headers' own warnings are not ours.
            *("-isystem", tf.sysconfig.get_include(), "-o", str(path)),
            *("-L", library, f"-Wl,-rpath,{library}"),
            "-l:libtensorflow_cc.so.2",
            "-l:libtensorflow_framework.so.2",
        ],
        check=True,
    )
    return path


def run(command, **environment):
    """A process's exit code, output and errors, in bytes."""
    done = subprocess.run(
        [*map(str, command)],
        capture_output=True,
        env={"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
        | environment,
    )
    return done.returncode, done.stdout, done.stderr


def test_a_c_program_prints_what_the_live_model_says(program, exported):
    code, text, errors = run([program, exported.folder, PROMPT, NEW_TOKENS, 0])
    assert code == 0, errors
    assert text.decode() == exported.text + "\n"


def test_no_python_is_in_that_process(program):
    needed = subprocess.run(
        ["ldd", program], check=True, capture_output=True, text=True
    ).stdout
    assert "libtensorflow_cc" in needed and "python3" not in needed.replace(
        tf.sysconfig.get_lib(), ""
    )


def test_a_c_program_prints_the_graph_s_own_message(program, exported):
    code, text, errors = run([program, exported.folder, PROMPT, NEW_TOKENS, -1])
    with pytest.raises(ValueError) as raised, one_line_errors():
        call_generate(exported.folder, temperature=-1.0)
    message = errors.decode().splitlines()[-1]
    assert (code, text) == (1, b"")
    assert message == str(raised.value)
    assert message.startswith("temperature must be a finite number")


def saved_model_cli(*arguments):
    module = "tensorflow.python.tools.saved_model_cli"
    return run([sys.executable, "-m", module, *arguments], COLUMNS="80")


def call_generate(folder, **changes):
    """Calls the signature in this process."""
    generate = tf.saved_model.load(str(folder)).signatures["generate"]
    values = {
        name: ast.literal_eval(value)
        for name, value in (x.split("=") for x in SETTINGS.split(";"))
    }
    specs = generate.structured_input_signature[1]
    return generate(
        **{
            name: tf.constant(value, specs[name].dtype)
            for name, value in (values | changes).items()
        }
    )


def test_saved_model_cli_shows_every_signature(exported):
    code, text, errors = saved_model_cli(
        "show", "--dir", exported.folder, "--all"
    )
    assert code == 0, errors
    shown = re.findall(r"signature_def\['(\w+)'\]", text.decode())
    assert {*shown} >= {
        "serving_default",
        "generate",
        "score",
        "tokenize",
        "logits",
        "generate_tokens",
    }


def test_saved_model_cli_runs_a_prompt(exported):
    code, text, errors = saved_model_cli(
        *("run", "--dir", exported.folder, "--tag_set", "serve"),
        *("--signature_def", "generate", "--input_exprs", SETTINGS),
    )
    assert code == 0, errors
    printed = text.decode().partition("Result for output key texts:\n")[2]
    assert printed.splitlines()[0] == str(
        np.array([exported.text.encode()], object)
    )
