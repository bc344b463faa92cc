"""Whether replicas do, or a model must be split over devices."""

from keras_gpt3.planning.batch_rows import check_rows_divide
from keras_gpt3.planning.batch_rows import nearest_rows
from keras_gpt3.planning.mesh import Mesh
from keras_gpt3.planning.mesh_search import choose_mesh
from keras_gpt3.planning.mesh_search import plain_choice
from keras_gpt3.planning.training_choice import choose_training


def choose_parallelism(job, devices, budget, mesh=None):
    """Chooses plain data parallelism if that fits, else the quickest mesh."""
    if mesh is not None:
        check_rows_divide("data", mesh.data, job.rows, job.length)
    elif job.rows % devices:
        return _choose_for_other_rows(job, devices, budget)
    return best_choice(job, devices, budget, mesh)


def best_choice(job, devices, budget, mesh=None):
    """The same choice for the rows as they are, whatever others would give."""
    least = []
    if mesh in (None, Mesh(devices)) and job.rows % devices == 0:
        plain, fits = plain_choice(job, devices, budget)
        if fits:
            return plain, True
        least.append(plain)
    choice, fits = choose_mesh(job, devices, budget, mesh)
    if fits:
        return choice, True
    least += [choice] if choice else []
    least = min(least, key=lambda each: each.memory["total"], default=None)
    return least, False


def _choose_for_other_rows(job, devices, budget):
    """Fewer replicas than devices, as these do not divide the rows."""
    rows = nearest_rows(devices, job.rows) // devices
    _, is_plain = choose_training(
        job.config, rows, budget, **job.memory_options
    )
    choice, fits = None, False
    if devices > job.rows or not is_plain:
        choice, fits = choose_mesh(job, devices, budget)
    # Stages of a model that fits into one device are no gain.
    if choice is None or (is_plain and choice.mesh.stages > 1):
        check_rows_divide("devices", devices, job.rows, job.length)
    return choice, fits
