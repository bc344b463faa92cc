"""Quantized models as SavedModels: packed on the disk, and the same answers."""

import numpy as np
import pytest
import tensorflow as tf
from keras.quantizers import AWQConfig
from keras.quantizers import GPTQConfig
from keras.quantizers import Int8QuantizationConfig
from tensorflow.core.protobuf import saved_model_pb2

from tests.small_gpt3 import as_inputs
from tests.small_gpt3 import quantize
from tests.small_gpt3 import small_text_model

CONTEXT = 24
ROWS = {"num_samples": 1, "sequence_length": 8, "group_size": 16}
TEXTS = ["hello world, the world said hello 12"]


def model_in(mode):
    """A small model, quantized."""
    model = small_text_model(
        hidden_dim=32, intermediate_dim=64, max_sequence_length=CONTEXT
    )
    generator = np.random.default_rng(2)
    for weight in model.weights:
        scale = 2.5 if "position" in weight.path else 0.4
        noise = generator.normal(0, scale, weight.shape)
        weight.assign(noise + ("gamma" in weight.path))
    model.compile(sampler="greedy")
    tokenizer = model.preprocessor.tokenizer
    config = {
        "int8, weights alone": Int8QuantizationConfig(
            activation_quantizer=None
        ),
        "gptq": GPTQConfig(TEXTS, tokenizer, **ROWS),
        "awq": AWQConfig(TEXTS, tokenizer, num_grid_points=2, **ROWS),
    }.get(mode)
    if config is not None:
        return quantize(model, config=config)
    return quantize(model, mode=mode)


@pytest.fixture(
    scope="module",
    params=[
        "int4",
        "gptq",
        *(
            pytest.param(mode, marks=pytest.mark.slow)
            for mode in ("int8", "int8, weights alone", "awq")
        ),
    ],
)
def exported(request, tmp_path_factory):
    """The live model, and its folder."""
    model = model_in(request.param)
    folder = tmp_path_factory.mktemp("quantized")
    return model, model.export(folder, verbose=False)


def stored_sizes(folder):
    """Elements and bytes of each stored variable's dtype."""
    reader = tf.train.load_checkpoint(str(folder / "variables/variables"))
    types = reader.get_variable_to_dtype_map()
    shapes = reader.get_variable_to_shape_map()
    return sorted(
        (types[name].name, tuple(shapes[name]))
        for name in shapes
        if name.startswith("weights/")
    )


def test_weights_are_stored_as_they_lie_in_memory(exported):
    model, folder = exported
    expected = sorted(
        (weight.value.dtype.name, tuple(weight.shape))
        for weight in model.backbone.variables
    )
    assert stored_sizes(folder) == expected
    # Those of the blocks' kernels are whole numbers: none is there as floats.
    kernels = [(32, 96), (32, 32), (32, 64), (64, 32)]
    floats = [shape for name, shape in expected if "float" in name]
    assert not set(kernels) & set(floats)


def test_no_weight_is_folded_into_the_graph(exported):
    _, folder = exported
    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString((folder / "saved_model.pb").read_bytes())
    graph = saved.meta_graphs[0].graph_def
    nodes = [*graph.node]
    for function in graph.library.function:
        nodes.extend(function.node_def)
    # A kernel has 1024 numbers or more. The tables of the tokenizer are assets.
    constants = [
        (node.name, node.attr["value"].tensor.dtype)
        for node in nodes
        if node.op == "Const"
        and np.prod(
            [d.size for d in node.attr["value"].tensor.tensor_shape.dim]
        )
        >= 1024
        and tf.as_dtype(node.attr["value"].tensor.dtype).is_floating
    ]
    assert constants == []


def test_logits_and_answers_are_the_live_model_s(exported):
    model, folder = exported
    loaded = tf.saved_model.load(str(folder))
    token_ids = np.random.default_rng(0).integers(272, size=(3, 8), dtype="i")
    np.testing.assert_allclose(
        loaded.logits(token_ids)["logits"],
        model(as_inputs(token_ids)),
        # Rounding in another order, which a rounded activation magnifies.
        atol=1e-4,
    )
    preprocessor, model.preprocessor = model.preprocessor, None
    live = model.generate(
        as_inputs(token_ids), max_length=CONTEXT, stop_token_ids=None
    )
    model.preprocessor = preprocessor
    padding = ((0, 0), (0, CONTEXT - 8))
    found = loaded.generate_tokens(
        token_ids=np.pad(token_ids, padding),
        padding_mask=np.pad(np.ones_like(token_ids, "bool"), padding),
        temperature=tf.constant(0.0),
        top_k=tf.constant(0),
        seed=tf.constant(0),
        end_token_id=tf.constant(-1),
    )
    np.testing.assert_array_equal(found["token_ids"], live["token_ids"])
    assert len(np.unique(found["token_ids"][:, 8:])) > 5
