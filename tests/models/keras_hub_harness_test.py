"""keras-hub's own tests of a backbone, a task and their preprocessing.

What keras-hub asks of its GPT-2, asked of GPT-3 with the names changed: see
`keras_hub_fixtures`.
"""

from unittest.mock import patch

import keras
import numpy as np
import pytest
from keras import ops

from keras_gpt3 import GPT3
from keras_gpt3 import GPT3Backbone
from keras_gpt3 import GPT3Preprocessor
from keras_gpt3 import GPT3Tokenizer
from keras_gpt3 import layers
from tests.models.keras_hub_fixtures import MERGES
from tests.models.keras_hub_fixtures import preprocessor_arguments
from tests.models.keras_hub_fixtures import task_arguments
from tests.models.keras_hub_fixtures import vocabulary

pytest.importorskip("grain", reason="keras-hub's test case reads data with it")

PROMPT = " airplane at airport"


@pytest.fixture
def harness():
    from keras_hub.src.tests.test_case import TestCase

    return TestCase("run_backbone_test")


# === Layers ===


@pytest.mark.parametrize(
    ("cls", "arguments", "first", "num_weights"),
    [
        (
            layers.DecoderBlock,
            {"num_heads": 2, "intermediate_dim": 8},
            {"hidden_states": np.ones((2, 5, 4), "float32")},
            12,
        ),
        (
            layers.PositionEmbedding,
            {
                "max_sequence_length": 5,
                "hidden_dim": 4,
                "offset": 1,
                "skip_padding": True,
            },
            {"token_ids": np.ones((2, 5), "int32")},
            1,
        ),
    ],
    ids=["block", "positions"],
)
def test_layer_trains_on_several_inputs(
    cls, arguments, first, num_weights, harness
):
    mask = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], "bool")
    inputs = first | {"padding_mask": mask}
    harness.run_layer_test(
        cls=cls,
        init_kwargs=arguments,
        input_data=keras.tree.map_structure(ops.convert_to_tensor, inputs),
        expected_output_shape=(2, 5, 4),
        expected_num_trainable_weights=num_weights,
    )


# === Backbone ===

BACKBONE = {
    "vocabulary_size": 10,
    "num_layers": 2,
    "num_heads": 2,
    "hidden_dim": 2,
    "intermediate_dim": 4,
    "max_sequence_length": 5,
}


def backbone_inputs():
    return {
        "token_ids": ops.ones((2, 5), dtype="int32"),
        "padding_mask": ops.ones((2, 5), dtype="int32"),
    }


def test_backbone_is_called_in_all_precisions_and_quantized(harness):
    harness.run_backbone_test(
        cls=GPT3Backbone,
        init_kwargs=BACKBONE,
        input_data=backbone_inputs(),
        expected_output_shape=(2, 5, 2),
    )


def test_backbone_is_saved(harness):
    harness.run_model_saving_test(
        cls=GPT3Backbone, init_kwargs=BACKBONE, input_data=backbone_inputs()
    )


# === Tokenizer and preprocessor ===


def test_tokenizer_gives_the_ids_of_gpt2(harness):
    texts = [f"{PROMPT}<|endoftext|>", " airplane airport"]
    harness.run_preprocessing_layer_test(
        cls=GPT3Tokenizer,
        init_kwargs={"vocabulary": vocabulary(False), "merges": MERGES},
        input_data=texts,
        expected_output=[[23, 14, 24, 23, 16, 30], [23, 14, 23, 16]],
        expected_detokenize_output=texts,
    )


def test_preprocessor_gives_the_ids_of_gpt2(harness):
    harness.init_kwargs = preprocessor_arguments()
    harness.run_preprocessor_test(
        cls=GPT3Preprocessor,
        init_kwargs=harness.init_kwargs,
        input_data=["airplane at airport"],
        expected_output=(
            {
                "token_ids": [[1, 4, 16, 26, 25, 18, 1, 0]],
                "padding_mask": [[1, 1, 1, 1, 1, 1, 1, 0]],
            },
            [[4, 16, 26, 25, 18, 1, 0, 0]],
            [[1, 1, 1, 1, 1, 1, 0, 0]],
        ),
    )


def test_preprocessor_without_start_and_end_token(harness):
    arguments = preprocessor_arguments() | {"add_start_token": False}
    preprocessor = GPT3Preprocessor(**arguments, add_end_token=False)
    x, y, sample_weight = preprocessor(["airplane at airport"] * 4)
    for received, expected in (
        (x["token_ids"], [4, 16, 26, 25, 18, 0, 0, 0]),
        (x["padding_mask"], [1, 1, 1, 1, 1, 0, 0, 0]),
        (y, [16, 26, 25, 18, 0, 0, 0, 0]),
        (sample_weight, [1, 1, 1, 1, 0, 0, 0, 0]),
    ):
        harness.assertAllEqual(received, [expected] * 4)


def test_preprocessor_prepares_a_prompt_and_reads_an_answer(harness):
    preprocessor = GPT3Preprocessor(**preprocessor_arguments())
    x = preprocessor.generate_preprocess("airplane at airport")
    harness.assertAllEqual(x["token_ids"], [1, 4, 16, 26, 25, 18, 0, 0])
    harness.assertAllEqual(x["padding_mask"], [1, 1, 1, 1, 1, 1, 0, 0])
    answer = {
        "token_ids": [1, 4, 16, 26, 25, 18, 1, 0],
        "padding_mask": [1, 1, 1, 1, 1, 1, 1, 0],
    }
    text = preprocessor.generate_postprocess(answer)
    harness.assertAllEqual(text, "airplane at airport")


# === Task ===


@pytest.fixture
def arguments():
    return task_arguments()


# The harness passes an argument that Keras no longer looks at.
@pytest.mark.filterwarnings("ignore:The `check_types` argument is depr")
def test_task_predicts_trains_and_says_that_it_is_not_compiled(
    harness, arguments
):
    size = arguments["backbone"].vocabulary_size
    harness.run_task_test(
        cls=GPT3,
        init_kwargs=arguments,
        train_data=([PROMPT, PROMPT],),
        expected_output_shape=(2, 8, size),
    )


# Keras-hub compiles a model as it is made: the optimizer is loaded unused.
@pytest.mark.filterwarnings("ignore:Skipping variable loading for optimizer")
def test_task_is_saved(harness, arguments):
    harness.run_model_saving_test(
        cls=GPT3,
        init_kwargs=arguments,
        input_data=arguments["preprocessor"]([PROMPT, PROMPT])[0],
    )


def test_task_generates_from_texts_and_ids(harness, arguments):
    model = GPT3(**arguments)
    assert PROMPT in model.generate(PROMPT)
    prompt = model.preprocessor.generate_preprocess([PROMPT])
    model.preprocessor = None
    answer = model.generate(prompt, stop_token_ids=None)
    for name in ("token_ids", "padding_mask"):
        harness.assertAllEqual(answer[name][:, :5], prompt[name][:, :5])


def test_task_stops_where_call_with_cache_says_that_texts_end(arguments):
    model = GPT3(**arguments)
    call_with_cache = model.call_with_cache
    end = model.preprocessor.tokenizer.end_token_id

    def favour_the_end(*args, **kwargs):
        logits, hidden_states, cache = call_with_cache(*args, **kwargs)
        update = ops.ones_like(logits)[:, :, end, None] * 1.0e9
        logits = ops.slice_update(logits, (0, 0, end), update)
        return logits, hidden_states, cache

    with patch.object(model, "call_with_cache", wraps=favour_the_end):
        prompts = [PROMPT, " airplane"]
        assert model.generate(prompts) == prompts


def test_task_compiles_generation_once_until_it_is_compiled(arguments):
    model = GPT3(**arguments)
    model.generate(PROMPT)
    first = model.generate_function
    model.generate(PROMPT)
    assert model.generate_function is first
    model.compile(sampler="greedy")
    assert model.generate_function is None


@pytest.mark.parametrize(
    ("mode", "shape"), [("logits", (2, 8, 31)), ("loss", (2, 8))]
)
def test_task_scores_ids(mode, shape, arguments):
    model = GPT3(**arguments)
    inputs = model.preprocessor.generate_preprocess([PROMPT, PROMPT])
    seen = {}

    def intercept(x, index):
        seen[index] = ops.shape(x)
        return x

    scores = model.score(
        **inputs,
        scoring_mode=mode,
        layer_intercept_fn=intercept,
        target_ids=ops.roll(inputs["token_ids"], shift=-1, axis=1),
    )
    assert ops.shape(scores) == shape
    assert seen == dict.fromkeys((-1, 0, 1), (2, 8, 4))


@pytest.mark.parametrize("mode", ["gptq", "awq"])
def test_task_says_what_to_calibrate(mode, arguments):
    model = GPT3(**arguments)
    structure = model.get_quantization_layer_structure(mode)
    (leading,) = structure["pre_block_layers"]
    assert isinstance(leading, keras.Model)
    blocks = structure["sequential_blocks"]
    assert blocks == model.backbone.decoder_blocks
    # Together they are the backbone up to its last norm.
    ids = np.array([[3, 1, 4, 1, 5]])
    x = leading(ids)
    for block in blocks:
        x = block(x)
    inputs = {"token_ids": ids, "padding_mask": np.ones((1, 5), "bool")}
    np.testing.assert_allclose(
        ops.convert_to_numpy(model.backbone.finish(x)),
        ops.convert_to_numpy(model.backbone(inputs)),
        atol=1e-6,
    )
    assert model.get_quantization_layer_structure("int8") is None


# === Presets ===


@pytest.mark.parametrize(
    "cls", [GPT3, GPT3Backbone, GPT3Preprocessor, GPT3Tokenizer]
)
@pytest.mark.quick_cases(1)
def test_a_saved_folder_is_a_preset(cls, harness, arguments, tmp_path):
    model = GPT3(**arguments)
    model.save_to_preset(tmp_path)
    is_model = issubclass(cls, keras.Model)
    inputs = model.preprocessor([PROMPT])[0] if is_model else [PROMPT]
    parts = (model, model.backbone, model.preprocessor)
    parts += (model.preprocessor.tokenizer,)
    (part,) = [part for part in parts if type(part) is cls]
    harness.run_preset_test(
        cls=cls,
        preset=str(tmp_path),
        input_data=inputs,
        expected_output=part(inputs),
    )


# === Several devices ===


@pytest.fixture
def data_parallel():
    """A batch spread over all devices, each with the whole model."""
    devices = keras.distribution.list_devices()
    mesh = keras.distribution.DeviceMesh((len(devices),), ["batch"], devices)
    layout_map = keras.distribution.LayoutMap(mesh)
    with keras.distribution.DataParallel(mesh, layout_map).scope():
        yield len(devices)


@pytest.mark.backend("jax", reason="Keras distributes nothing elsewhere.")
def test_task_generates_on_several_devices(data_parallel):
    model = GPT3(**task_arguments())
    answers = model.generate([PROMPT] * data_parallel)
    assert isinstance(answers, list)
    assert len(answers) == data_parallel > 1
