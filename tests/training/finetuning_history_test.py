import dataclasses
import json

from keras_gpt3.training.finetuning.finetune import FinetuningHistory


def test_a_new_history_is_empty_and_its_own():
    history = FinetuningHistory()
    history.loss.append(1.0)
    assert FinetuningHistory() == FinetuningHistory([], [], [], None)
    assert json.loads(json.dumps(dataclasses.asdict(history)))["loss"] == [1.0]
