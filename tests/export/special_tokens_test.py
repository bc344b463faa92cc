"""Special tokens in texts, and start tokens before them, as the live model."""

import numpy as np
import pytest

from tests.export.traced_endpoints import TracedEndpoints
from tests.export.traced_endpoints import lively_text_model

CONTEXT = 40
NEW = 9
END = "<|endoftext|>"
GREEDY = {"max_new_tokens": NEW, "temperature": 0.0}


@pytest.fixture(scope="module")
def changed():
    """A model whose preprocessor begins with a start token, and whose
    tokenizer takes special tokens for text; and its signatures."""
    model = lively_text_model(max_sequence_length=CONTEXT)
    model.preprocessor.add_start_token = True
    model.preprocessor.tokenizer.split_special_tokens = True
    return model, TracedEndpoints(model)


@pytest.fixture(params=["plain", "changed"])
def either(request):
    """A model and its signatures, once of each kind."""
    if request.param == "changed":
        return request.getfixturevalue("changed")
    talker = request.getfixturevalue("talker")
    return talker.model, talker.call


@pytest.mark.quick_cases(1)
def test_special_tokens_and_start_tokens_are_the_live_models(either):
    model, call = either
    prompts = [
        "the cat",
        "a",
        "Hello, Wörld 12",
        END,
        END + END,
        f"{END}the cat",
        f"a {END}\n",
    ]
    prompts += [END[:-1], f"a{END}b", "z?" * 40]
    model.compile(sampler="greedy", jit_compile=False)
    texts = model.generate(
        prompts,
        max_new_tokens=NEW,
        truncate="left",
        stop_token_ids=[model.preprocessor.tokenizer.end_token_id],
        strip_prompt=True,
    )
    answer = call("generate", prompts=prompts, truncate="left", **GREEDY)
    assert [text.decode() for text in answer["texts"]] == texts
    lengths = [
        min(len(ids), CONTEXT - NEW)
        for ids in model.preprocessor.prompt_ids(prompts)
    ]
    assert answer["num_prompt_tokens"].tolist() == lengths


@pytest.mark.quick_cases(1)
def test_special_tokens_and_start_tokens_are_scored_as_live(either):
    model, call = either
    pairs = [("the cat", " sat"), ("", "Hello"), (f"a{END}", f"b{END}c")]
    pairs += [("z?" * 40, " and so"), (END, END), ("q", "u" * CONTEXT)]
    contexts, continuations = map(list, zip(*pairs, strict=True))
    answer = call(
        "score",
        contexts=contexts,
        continuations=continuations,
        truncate="left",
    )
    expected = model.score(contexts, continuations, truncate="left")
    np.testing.assert_allclose(
        answer["log_likelihood"],
        [score.log_likelihood for score in expected],
        rtol=1e-4,
    )
    assert answer["is_greedy"].tolist() == [x.is_greedy for x in expected]
    ids = model.preprocessor.tokenizer.tokenize(continuations)
    assert answer["num_tokens"].tolist() == list(map(len, ids))


def test_a_start_token_is_told_apart_from_the_text(either):
    model, call = either
    answer = call("tokenize", texts=["the cat", END])
    starts = answer.pop("start_token_ids", np.zeros((2, 0), "int32"))
    assert set(answer) == {"token_ids", "lengths"}
    rows = zip(starts, answer["token_ids"], answer["lengths"], strict=True)
    received = [[*start, *ids[:length]] for start, ids, length in rows]
    expected = model.preprocessor.prompt_ids(["the cat", END])
    assert received == expected


def test_a_start_token_makes_an_empty_prompt_one_token(changed):
    answer = changed[1]("generate", prompts=[""], **GREEDY)
    assert answer["num_prompt_tokens"].tolist() == [1]
