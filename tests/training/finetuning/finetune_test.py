import keras
import numpy as np
import pytest

from keras_gpt3 import parallel
from keras_gpt3.data.completion_dataset import completion_batches
from keras_gpt3.data.completion_dataset import completion_dataset
from keras_gpt3.data.completion_pairs import CompletionExamples
from keras_gpt3.ops import op_compilation
from keras_gpt3.training.finetuning.finetune import finetune
from keras_gpt3.training.finetuning.recipe import FinetuningRecipe
from tests.small_gpt3 import small_text_model

PAIRS = [
    ("hello", " world"),
    ("", "12"),
    ("the hello", "o"),
    ("12 ", "the"),
    ("w", "12 hello"),
]
CONTEXT = 20
QUICK = {"epochs": 2, "batch_size": 2, "learning_rate": 1e-2}


@pytest.fixture(autouse=True)
def not_compiled():
    """A small model's steps take less time than XLA to compile them."""
    with op_compilation(False):
        yield


def made(pairs=PAIRS, **overrides):
    """A small model, and pairs in its tokens."""
    keras.utils.set_random_seed(0)
    model = small_text_model(max_sequence_length=CONTEXT, **overrides)
    return model, CompletionExamples(pairs, model.preprocessor, CONTEXT)


def scored_loss(model, examples, rows):
    """The mean loss of completions by `score`, each after its prompt."""
    losses = []
    for item in sum(rows, []):
        ids, given = examples.sequences[item], examples.num_given[item]
        score = model.score(ids[:given].tolist(), ids[given:].tolist())
        losses += [-x for x in score.token_log_probabilities]
    return np.mean(losses)


@pytest.mark.parametrize("layout", ["packed", "padded"])
def test_the_loss_is_the_mean_over_completions_that_score_gives(layout):
    model, examples = made()
    dataset = completion_dataset(examples, 2, layout)
    loss = model.evaluate(dataset, verbose=0, return_dict=True)["loss"]
    batches = completion_batches(examples, 2, layout)
    rows = [row for _, batch in batches for row in batch]
    assert max(map(len, rows)) == (1 if layout == "padded" else 5)
    # Packed or not: no pair sees another.
    expected = scored_loss(model, examples, rows)
    assert loss == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("layout", ["packed", "padded"])
@pytest.mark.quick_cases(1)
def test_a_model_learns_its_completions(layout):
    model, examples = made(num_layers=1)
    recipe = FinetuningRecipe(**(QUICK | {"epochs": 8, "layout": layout}))
    history = finetune(model, examples, recipe, verbose=0)
    assert history.epochs[-1]["loss"] < 0.9 * history.epochs[0]["loss"]
    assert [e["step"] for e in history.epochs][-1] == len(history.loss)
    assert len(history.learning_rate) == len(history.loss)
    assert history.best_epoch == 7


def test_the_loss_of_an_epoch_is_the_mean_of_its_steps_by_their_tokens():
    model, examples = made(num_layers=1)
    recipe = FinetuningRecipe(**(QUICK | {"layout": "padded"}))
    history = finetune(model, examples, recipe, verbose=0)
    for epoch in range(2):
        batches = completion_batches(examples, 2, "padded", epoch=epoch)
        tokens = [
            sum(
                len(examples.sequences[i]) - examples.num_given[i]
                for (i,) in rows
            )
            for _, rows in batches
        ]
        end = history.epochs[epoch]["step"]
        mean = np.average(
            history.loss[end - len(batches) : end], weights=tokens
        )
        assert history.epochs[epoch]["loss"] == pytest.approx(mean, rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("change", ["micro_batches", "replicas"])
def test_the_batch_may_be_split(change):
    """Also where a part has no completion, as rows that fill a batch."""
    fields = QUICK | {"batch_size": 4, "layout": "padded", "epochs": 1}
    recipe = FinetuningRecipe(**fields)
    expected = finetune(*made(num_layers=1), recipe, verbose=0)
    if change == "micro_batches":
        recipe = FinetuningRecipe(**fields, micro_batch_size=1)
        received = finetune(*made(num_layers=1), recipe, verbose=0)
    else:
        with parallel.mirrored_strategy(cpu_replicas=2).scope():
            model, examples = made(num_layers=1)
        received = finetune(model, examples, recipe, verbose=0)
    # The second step is from weights that the first has changed.
    assert len(received.loss) == 2
    np.testing.assert_allclose(received.loss, expected.loss, rtol=1e-4)


@pytest.mark.slow
def test_the_weights_of_the_best_epoch_stay():
    model, examples = made()
    held_out = CompletionExamples(
        [("hello", "w"), ("12", " the")], model.preprocessor, CONTEXT
    )
    recipe = FinetuningRecipe(**(QUICK | {"epochs": 5, "learning_rate": 0.1}))
    history = finetune(model, examples, recipe, held_out, verbose=0)
    losses = [epoch["val_loss"] for epoch in history.epochs]
    assert history.best_epoch == int(np.argmin(losses)) < 4
    dataset = completion_dataset(held_out, 2, shuffle=False)
    loss = model.evaluate(dataset, verbose=0, return_dict=True)["loss"]
    assert loss == pytest.approx(min(losses), rel=1e-4)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16", "bfloat16"])
@pytest.mark.quick_cases(1)
def test_adapters_learn_and_nothing_else(dtype):
    model, examples = made(dtype=dtype)
    frozen = {v.path: np.array(v) for v in model.backbone.variables}
    recipe = FinetuningRecipe(
        **(QUICK | {"learning_rate": 0.1}),
        lora_rank=2,
        lora_alpha=8,
        lora_layers=("feed_forward_output", "token_embedding"),
    )
    history = finetune(model, examples, recipe, verbose=0)
    assert history.epochs[-1]["loss"] < history.epochs[0]["loss"]
    for variable in model.backbone.variables:
        if variable.path in frozen and "seed" not in variable.path:
            np.testing.assert_array_equal(variable, frozen[variable.path])
    assert len(model.trainable_variables) == 6


@pytest.mark.slow
def test_the_sampler_of_the_model_stays():
    model, examples = made()
    model.compile(sampler="greedy")
    finetune(
        model, examples, FinetuningRecipe(**(QUICK | {"epochs": 1})), verbose=0
    )
    assert model.sampler.__class__.__name__ == "GreedySampler"


def test_a_loss_that_is_not_finite_ends_the_run_at_once():
    model, examples = made()
    model.backbone.final_norm.gamma.assign(np.full(16, np.nan, "float32"))
    steps = StepsOf(model)
    with pytest.raises(ValueError, match="must stay finite. Received: loss="):
        finetune(model, examples, FinetuningRecipe(**QUICK), verbose=0)
    assert steps.count == 1


class StepsOf:
    """Counts the steps that a model is trained."""

    def __init__(self, model):
        self.count = 0
        make = model.make_train_function

        def counting(*arguments, **kwargs):
            make(*arguments, **kwargs)
            train = model.train_function

            def counted(iterator):
                self.count += 1
                return train(iterator)

            model.train_function = counted

        model.make_train_function = counting


def test_a_last_step_that_destroys_weights_raises():
    model, examples = made(num_layers=1)
    recipe = FinetuningRecipe(
        epochs=1, batch_size=8, learning_rate=1e10, weight_decay=1e30
    )
    with pytest.raises(ValueError, match="Losses and weights must stay finite"):
        finetune(model, examples, recipe, verbose=0)


def test_packed_or_validated_each_pair_is_seen_by_itself():
    model, examples = made()
    recipe = FinetuningRecipe(
        epochs=1, batch_size=2, learning_rate=1e-30, layout="packed"
    )
    history = finetune(model, examples, recipe, examples, verbose=0)
    alone = scored_loss(model, examples, [[i] for i in range(len(examples))])
    for name in ("loss", "val_loss"):
        assert history.epochs[0][name] == pytest.approx(alone, rel=1e-5)


@pytest.mark.slow
def test_adapters_that_are_there_are_trained_on():
    model, examples = made(num_layers=1)
    recipe = FinetuningRecipe(epochs=1, batch_size=4, lora_rank=2)
    finetune(model, examples, recipe, verbose=0)
    before = [np.array(v) for v in model.trainable_variables]
    finetune(model, examples, recipe, verbose=0)
    assert len(model.trainable_variables) == len(before) == 2
    for one, other in zip(model.trainable_variables, before, strict=True):
        assert not np.array_equal(one, other)
