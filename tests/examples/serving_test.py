"""The clients of a model server, and the export that they ask.

TensorFlow Serving is no part of the tests: stand-ins answer by its rules, from
the loaded export.
"""

import contextlib
import io
import json
import re
import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from tests.examples import stand_in_model_server
from tests.examples.serving_scripts import SERVING
from tests.examples.serving_scripts import refusal
from tests.examples.serving_scripts import serving_scripts
from tests.small_gpt3 import small_text_model

pytestmark = pytest.mark.slow

PROMPTS = ["the cat", "a", "Hello, Wörld 12"]
CONTEXT = 40
# A different answer in each row, if the options reach it.
OPTIONS = {
    "max_new_tokens": [3, 20, 5],
    "temperature": [0.0, 1.0, 0.7],
    "top_k": [0, 0, 9],
    "top_p": [0.9, 1.0, 1.0],
    "seed": [1, 2, 3],
}


@pytest.fixture(scope="module")
def scripts():
    with serving_scripts() as found:
        yield found


@pytest.fixture(scope="module")
def exported(tmp_path_factory, scripts):
    """What the script exports: a small model whose answers vary."""
    keras.utils.set_random_seed(0)
    model = small_text_model(max_sequence_length=CONTEXT)
    generator = np.random.default_rng(1)
    model.set_weights(
        [w + generator.normal(0, 0.4, w.shape) for w in model.get_weights()]
    )
    folder = tmp_path_factory.mktemp("serving")
    model.save_to_preset(folder / "preset")
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(io.StringIO()) as printed,
    ):
        # The small context holds no more.
        patch.setattr(scripts.export_model, "PROMPT", "the cat")
        words = [str(folder / "preset"), "--out", str(folder / "gpt3")]
        code = scripts.export_model.main(words)
    loaded = tf.saved_model.load(str(folder / "gpt3" / "1"))
    return types.SimpleNamespace(
        model=model,
        version=folder / "gpt3" / "1",
        loaded=loaded,
        code=code,
        printed=printed.getvalue(),
    )


@pytest.fixture(scope="module")
def stand_in(exported):
    return stand_in_model_server.StandIn(exported.loaded.signatures)


@pytest.fixture(scope="module")
def rest_url(stand_in):
    with stand_in_model_server.rest_server(stand_in) as url:
        yield url


@pytest.fixture(scope="module")
def grpc_url(stand_in):
    with stand_in_model_server.grpc_server(stand_in) as url:
        yield url


@pytest.fixture(scope="module")
def own_url(exported):
    with stand_in_model_server.own_server(exported.version.parent) as url:
        yield url


@pytest.fixture(params=["rest", "grpc", "own"])
def way(request, scripts):
    """How a request travels: the client's class and the server's address."""
    url = request.getfixturevalue(f"{request.param}_url")
    if request.param == "grpc":
        return scripts.grpc_client.GrpcClient, url
    return scripts.rest_client.RestClient, url


@pytest.fixture
def client(way):
    make, url = way
    return make(url, timeout=60)


def answer_alone(exported, prompt, stop, **options):
    """What the signature says to one prompt, with scalars for options."""
    dtypes = {"temperature": "float32", "top_p": "float32"}
    answer = exported.loaded.signatures["generate"](
        prompts=tf.constant([prompt]),
        stop=tf.constant(stop, "string"),
        truncate=tf.constant(""),
        **{
            k: tf.constant(v, dtypes.get(k, "int32"))
            for k, v in options.items()
        },
    )
    return {
        name: value.numpy()[0].decode()
        if value.dtype == tf.string
        else value.numpy()[0].item()
        for name, value in answer.items()
    }


# === What comes back ===


def test_each_prompt_gets_what_it_would_alone(client, exported):
    whole = client.generate(PROMPTS, **OPTIONS)
    # One that ends the second answer, if asked to; the others' must not.
    stop = next(x for x in whole[1]["texts"][1:] if x.isascii())
    for stops in ([[], [stop, "zzz"], ["yyy"]], [[stop], [], ["yyy"]]):
        answers = client.generate(PROMPTS, stop=stops, **OPTIONS)
        for row, prompt in enumerate(PROMPTS):
            options = {name: values[row] for name, values in OPTIONS.items()}
            alone = answer_alone(exported, prompt, stops[row], **options)
            assert answers[row] == alone
        assert (answers[1] != whole[1]) == (stop in stops[1])


def test_what_is_left_out_has_the_export_s_defaults(scripts, exported):
    saved_model = saved_model_pb2.SavedModel()
    content = (exported.version / "saved_model.pb").read_bytes()
    saved_model.ParseFromString(content)
    signatures = saved_model.meta_graphs[0].signature_def
    defaults = {
        name: tf.make_ndarray(proto).tolist()
        for name, proto in signatures["generate"].defaults.items()
    }
    assert defaults.pop("stop") == [[b""]]
    assert defaults.pop("truncate") == [b""]
    ours = dict(scripts.serving_client.GENERATE_DEFAULTS)
    assert ours.pop("truncate") == ""
    assert defaults == {name: [value] for name, value in ours.items()}


def test_a_long_prompt_loses_its_first_tokens_where_this_is_asked(client):
    long = "the cat " * CONTEXT
    (answer,) = client.generate([long], max_new_tokens=4, truncate="left")
    assert answer["num_prompt_tokens"] == CONTEXT - 4


def test_scores_are_the_model_s(client, exported):
    endings = [" sat", " is 12", "!"]
    answers = client.score("the cat", endings)
    expected = exported.model.score(["the cat"] * 3, endings)
    np.testing.assert_allclose(
        [answer["log_likelihood"] for answer in answers],
        [score.log_likelihood for score in expected],
        # Another order of sums; JSON has all digits of a float32.
        rtol=1e-4,
    )
    assert [a["is_greedy"] for a in answers] == [s.is_greedy for s in expected]
    encoding = exported.model.preprocessor.tokenizer.encoding
    lengths = [len(ids) for ids in encoding.encode_batch(endings, True)]
    assert [a["num_tokens"] for a in answers] == lengths


# === What goes wrong ===


@pytest.mark.parametrize(
    "options, message",
    [
        (
            {"max_new_tokens": 0},
            "max_new_tokens must be an integer of at least 1. Received: "
            "max_new_tokens=0. Pass 1 or more.",
        ),
        (
            {"max_new_tokens": CONTEXT},
            f"prompt and max_new_tokens must fit the context of {CONTEXT} "
            f"tokens. Received: tokens={CONTEXT + 1}. Shorten the prompt, "
            "request fewer tokens, or set truncate to left.",
        ),
        (
            {"max_new_tokens": 1, "temperature": -1.0},
            "temperature must be a finite number of at least 0. Received: "
            "temperature=-1. Use 0 for greedy decoding.",
        ),
    ],
)
def test_what_the_model_refuses_is_said_in_its_words(
    client, scripts, options, message
):
    said = refusal(scripts, lambda: client.generate(["a"], **options))
    assert said == message


def test_an_unknown_model_is_named(way, scripts):
    make, url = way
    client = make(url, model="gpt4")
    message = refusal(scripts, lambda: client.generate(["a"]))
    assert " Received: " in message and "gpt4" in message


@pytest.mark.parametrize(
    "options, message",
    [
        ({"top_m": 3}, "Received: top_m=3. Leave it out."),
        (
            {"seed": [1, 2]},
            "seed must be one value, or one for each of 3 rows. Received: "
            "seed=[1, 2]. Repeat or drop some.",
        ),
    ],
)
def test_options_that_do_not_fit_are_not_sent(
    client, stand_in, options, message
):
    before = len(stand_in.rows)
    with pytest.raises(ValueError, match=re.escape(message) + "$"):
        client.generate(PROMPTS, **options)
    assert len(stand_in.rows) == before


# === The commands ===


def run(scripts, way, capsys, *words):
    make, url = way
    arguments = ["--url", url, *words]
    code = scripts.client_command.run_command(make, "", "", arguments)
    return code, *capsys.readouterr()


def test_the_command_prints_a_row_a_line(scripts, way, client, capsys):
    words = ["generate", *PROMPTS, "--seed", "1", "2", "3", "--top-k", "9"]
    words += ["--max-new-tokens", "5", "--stop", "zzz", "yyy"]
    code, out, _ = run(scripts, way, capsys, *words)
    assert code == 0
    options = {"seed": [1, 2, 3], "top_k": 9, "max_new_tokens": 5}
    expected = client.generate(PROMPTS, stop=["zzz", "yyy"], **options)
    assert [json.loads(line) for line in out.splitlines()] == expected


def test_the_command_scores(scripts, way, client, capsys):
    code, out, _ = run(scripts, way, capsys, "score", "the cat", " sat", "!")
    assert code == 0
    expected = client.score("the cat", [" sat", "!"])
    assert [json.loads(line) for line in out.splitlines()] == expected


def test_the_command_says_in_one_line_what_is_wrong(scripts, way, capsys):
    words = ["generate", "a", "--max-new-tokens", "0"]
    code, out, err = run(scripts, way, capsys, *words)
    assert (code, out) == (1, "")
    assert err.startswith("max_new_tokens must be") and err.count("\n") == 1


# === The export ===


def test_the_script_exports_the_first_version_and_asks_it(exported):
    assert exported.code == 0
    wrote, answer = exported.printed.split("\n", 1)
    assert re.fullmatch(rf"Wrote {exported.version} \([\d.]+ MB\)", wrote)
    options = {"max_new_tokens": 24, "temperature": 0.8, "top_k": 40}
    alone = answer_alone(exported, "the cat", [], **options, top_p=1.0, seed=7)
    assert answer == f"the cat{alone['texts']}\n"
    # What docker-compose.yml has the server read.
    names = {path.name for path in exported.version.parent.glob("*.config")}
    assert names == {"models.config", "batching.config", "monitoring.config"}


def test_the_readme_s_plain_request_is_answered(stand_in):
    text = (SERVING / "README.md").read_text("utf-8")
    (body,) = re.findall(r"--data '(.*?)'", text, re.DOTALL)
    answer = stand_in_model_server.answer_json(stand_in, "gpt3", body)
    prompts = json.loads(body)["inputs"]["prompts"]
    assert len(answer["outputs"]["texts"]) == len(prompts)
