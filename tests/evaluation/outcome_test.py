import dataclasses
import json

from keras_gpt3.evaluation.few_shot.outcome_cache import Outcome


def test_it_is_a_line_of_json_and_back():
    outcome = Outcome(3, 2, " 143", 1.0, (-1.5,), (1,))
    fields = json.loads(json.dumps(dataclasses.asdict(outcome)))
    fields |= {k: tuple(fields[k]) for k in ("log_likelihoods", "num_tokens")}
    assert Outcome(**fields) == outcome
