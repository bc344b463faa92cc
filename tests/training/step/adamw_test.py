import keras
import numpy as np
import pytest

from keras_gpt3.training import AdamW
from keras_gpt3.training import TokenClock
from tests.small_gpt3 import small_backbone

NAMES = ("kernel", "embeddings", "bias", "gamma", "beta")
DECAYED = ("kernel", "embeddings")


def make_variables():
    generator = np.random.default_rng(0)
    return [
        keras.Variable(generator.normal(size=(3, 2)).astype("float32"), name=n)
        for n in NAMES
    ]


def numpy_adamw(values, steps, rate, clip=1.0, decay=0.1):
    """AdamW in float64; `steps` holds the gradients of each step."""
    values = {name: np.asarray(v, "float64") for name, v in values.items()}
    first, second = ({n: 0.0 for n in values} for _ in range(2))
    for t, gradients in enumerate(steps, start=1):
        norm = np.sqrt(sum((g**2).sum() for g in gradients.values()))
        for name, g in gradients.items():
            g = g * min(1.0, clip / norm) if norm else g
            first[name] = 0.9 * first[name] + 0.1 * g
            second[name] = 0.95 * second[name] + 0.05 * g**2
            # Keras adds epsilon to the root before the bias correction.
            step = first[name] / (np.sqrt(second[name]) + 1e-8)
            step *= np.sqrt(1 - 0.95**t) / (1 - 0.9**t)
            if name in DECAYED:
                values[name] = values[name] * (1 - rate(t - 1) * decay)
            values[name] = values[name] - rate(t - 1) * step
    return values


@pytest.mark.parametrize("scheduled", [False, True])
def test_ten_steps_equal_a_float64_adamw_with_and_without_clipping(scheduled):
    clock = TokenClock(0.05, 1, warmup_tokens=4, decay_tokens=9)
    generator = np.random.default_rng(1)
    scales = [0.01, 3.0, 0.1, 0.0, 5.0, 0.05, 2.0, 0.3, 0.02, 0.1]
    steps = [
        {name: scale * generator.normal(size=(3, 2)) for name in NAMES}
        for scale in scales
    ]
    variables = make_variables()
    expected = numpy_adamw(
        {v.name: v.numpy() for v in variables},
        steps,
        (lambda t: float(clock(t))) if scheduled else (lambda t: 0.05),
    )
    optimizer = AdamW(clock if scheduled else 0.05)
    for gradients in steps:
        values = [keras.ops.cast(gradients[n], "float32") for n in NAMES]
        optimizer.apply(values, variables)
    norms = [np.sqrt(sum((g**2).sum() for g in s.values())) for s in steps]
    assert min(norms) < 1.0 < max(norms)
    for variable in variables:
        # Ten float32 steps of 0.05 on values near 1.
        np.testing.assert_allclose(
            variable.numpy(), expected[variable.name], rtol=3e-6, atol=3e-6
        )


def test_a_step_without_gradient_shrinks_all_but_norms_and_biases():
    backbone = small_backbone()
    variables = backbone.trainable_variables
    normal = np.random.default_rng(0).normal
    before = [normal(size=v.shape).astype("f") for v in variables]
    for variable, value in zip(variables, before, strict=True):
        variable.assign(value)
    zeros = [np.zeros(v.shape, "float32") for v in variables]
    AdamW(0.5, weight_decay=0.2).apply(zeros, variables)
    kinds = set()
    for variable, value in zip(variables, before, strict=True):
        kind = variable.path.split("/")[-1]
        kinds.add(kind)
        expected = value * np.float32(0.9) if kind in DECAYED else value
        np.testing.assert_allclose(variable.numpy(), expected, rtol=1e-6)
    assert kinds == set(NAMES)


def test_a_scope_named_as_a_bias_decays_as_any_other():
    with keras.name_scope("beta"):
        backbone = small_backbone(num_layers=1, name="bias")
    variables = backbone.trainable_variables
    if keras.config.backend() == "tensorflow":
        assert all(v.value.name.startswith("beta/") for v in variables)
    optimizer = AdamW()
    optimizer.build(variables)
    for variable in variables:
        decayed = variable.path.split("/")[-1] in DECAYED
        # With either, under TensorFlow: Keras' own step asks with the latter.
        named = [variable]
        if keras.config.backend() == "tensorflow":
            named.append(variable.value)
        for v in named:
            assert optimizer._use_weight_decay(v) == decayed, variable.path


@pytest.mark.parametrize(
    ("name", "decays"),
    [
        ("beta/kernel:0", True),
        ("beta/kernel/replica_1:0", True),
        ("block/bias/replica_1:0", False),
        ("gamma:0", False),
    ],
)
def test_the_copies_of_replicas_decay_as_the_first(name, decays):
    variable = keras.Variable(np.zeros(2, "float32"))
    optimizer = AdamW()
    optimizer.build([variable])
    variable._name = name
    assert optimizer._use_weight_decay(variable) == decays


def test_the_constants_are_those_of_appendix_b():
    config = AdamW().get_config()
    expected = {
        "beta_1": 0.9,
        "beta_2": 0.95,
        "epsilon": 1e-8,
        "global_clipnorm": 1.0,
        "weight_decay": 0.1,
    }
    assert {key: config[key] for key in expected} == expected


def test_the_decay_mask_and_the_schedule_survive_serialization():
    optimizer = AdamW(TokenClock(1e-3, 512, 1e4, 1e6), weight_decay=0.3)
    copy = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert type(copy) is AdamW
    assert copy.get_config() == optimizer.get_config()
    variables = make_variables()
    copy.build(variables)
    decayed = [v.name for v in variables if copy._use_weight_decay(v)]
    assert tuple(decayed) == DECAYED


def test_a_user_can_exclude_more_from_the_decay():
    optimizer = AdamW()
    optimizer.exclude_from_weight_decay(var_names=["embeddings"])
    variables = make_variables()
    optimizer.build(variables)
    decayed = [v.name for v in variables if optimizer._use_weight_decay(v)]
    assert decayed == ["kernel"]
