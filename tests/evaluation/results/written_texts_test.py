from keras_gpt3.evaluation.few_shot.outcome_cache import Outcome
from keras_gpt3.evaluation.results.written_texts import write_texts
from keras_gpt3.evaluation.task_definitions.task_examples import Example
from keras_gpt3.evaluation.task_definitions.task_file import shipped_tasks


def test_each_context_stands_once_before_its_texts(tmp_path):
    task = shipped_tasks()["grammar_correction"]
    examples = [Example("a\nb", ())] * 2 + [Example("c", ())]
    outcomes = [Outcome(i, 1, f"text {i}\n#", None) for i in range(3)]
    path = tmp_path / "texts.md"
    write_texts(path, "mine", [(task, 1, examples, outcomes)])
    assert path.read_text("utf-8") == (
        "# Texts by mine\n\n## Correcting English grammar, K = 1\n\n"
        "Section 3.9.6, Figure 3.17. Drawn with temperature 1, top_p 0.9.\n\n"
        "    a\n    b\n\nText:\n\n    text 0\n    #\n\n"
        "Text:\n\n    text 1\n    #\n\n"
        "    c\n\nText:\n\n    text 2\n    #\n"
    )
