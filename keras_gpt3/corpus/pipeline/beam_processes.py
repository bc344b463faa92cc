"""Worker processes of a local pipeline. Needs Beam, and is imported late.

Beam 2.77 tells the workers that have called that the pipeline is over, and
then waits for all of them. Where the first work item fails at once, a
worker that is still starting would call afterwards, and both would wait for
good. So the end is queued for it as well.
"""

from apache_beam.runners.portability.fn_api_runner import worker_handlers
from apache_beam.transforms import environments

_URN = "keras_gpt3:env:harness_subprocess_python:v1"


@environments.Environment.register_urn(_URN, bytes)
class WorkerProcesses(environments.SubprocessSDKEnvironment):
    """Where code of a pipeline runs: in processes that a command starts."""

    def to_runner_api_parameter(self, context):
        """The name by which Beam finds `WorkerProcess`, and the command."""
        return _URN, self.command_string.encode()

    @staticmethod
    def from_runner_api_parameter(payload, *settings):
        """Beam's way back from `to_runner_api_parameter`."""
        *settings, _ = settings  # The context.
        return WorkerProcesses(payload.decode(), *settings)


@worker_handlers.WorkerHandler.register_environment(_URN, bytes)
class WorkerProcess(worker_handlers.SubprocessSdkWorkerHandler):
    """One of the processes, as Beam's runner handles it."""

    def close(self):
        """End the process, even if it has not called yet."""
        done = worker_handlers.BeamFnControlServicer._DONE_MARKER
        self.control_conn.push(done)
        super().close()
