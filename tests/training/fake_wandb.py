"""A stand-in for the module wandb, which keeps what it is told."""

import types


class FakeRun:
    """What `wandb.init` gives."""

    def __init__(self, arguments):
        self.arguments, self.logged = arguments, []
        self.metrics, self.finished = {}, False

    def define_metric(self, name, step_metric):
        self.metrics[name] = step_metric

    def log(self, values):
        self.logged.append(values)

    def finish(self):
        self.finished = True


def fake_wandb():
    """A module whose `runs` are those that were begun."""
    module = types.SimpleNamespace(runs=[])

    def init(**arguments):
        module.runs.append(FakeRun(arguments))
        return module.runs[-1]

    module.init = init
    return module
