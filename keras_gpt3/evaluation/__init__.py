"""The paper's zero-, one- and few-shot evaluation.

Read `task_definitions` (what a task is), `few_shot` (how it is run), `metrics`
and `results`; then what stands beside: `contamination` (section 4), `bias`
(section 6.2), `news_quiz` (section 3.9.4), `scaling` (Figure 3.1) and `harness`
(EleutherAI's).
"""

from keras_gpt3.evaluation.few_shot.evaluate import evaluate
from keras_gpt3.evaluation.few_shot.task_result import TaskResult
from keras_gpt3.evaluation.few_shot.training_probe import TrainingProbe
from keras_gpt3.evaluation.harness.harness_registration import (
    register_harness_model,
)
from keras_gpt3.evaluation.results.report import write_report
from keras_gpt3.evaluation.task_definitions.task import Task
from keras_gpt3.evaluation.task_definitions.task_file import find_tasks
from keras_gpt3.evaluation.task_definitions.task_file import read_task
from keras_gpt3.evaluation.task_definitions.task_file import shipped_tasks
from keras_gpt3.evaluation.task_definitions.task_file import task_groups

register_harness_model()

__all__ = [
    "Task",
    "TaskResult",
    "TrainingProbe",
    "evaluate",
    "find_tasks",
    "read_task",
    "shipped_tasks",
    "task_groups",
    "write_report",
]
