"""Runs a pretraining config: makes all that a run needs, then trains."""

import contextlib
import dataclasses
import functools

import keras

from keras_gpt3.backend_check import require_training
from keras_gpt3.parallel.replicas import from_first_worker
from keras_gpt3.parallel.replicas import is_chief
from keras_gpt3.parallel.replicas import wait_for_all
from keras_gpt3.planning.describe import describe
from keras_gpt3.planning.parameter_count import complete_config
from keras_gpt3.planning.preflight import StepMemoryError
from keras_gpt3.planning.preflight import check_step_fits
from keras_gpt3.planning.run_config import proposed_devices
from keras_gpt3.training.checkpoints.model_checkpointer import ModelCheckpointer
from keras_gpt3.training.recipe.run_recipe import batch_multiple
from keras_gpt3.training.recipe.run_recipe import common_multiple
from keras_gpt3.training.recipe.run_recipe import resolved_section
from keras_gpt3.training.recipe.run_recipe import run_recipe
from keras_gpt3.training.run.data import RunData
from keras_gpt3.training.run.devices import run_devices
from keras_gpt3.training.run.folder import RunFolder
from keras_gpt3.training.run.folder import fingerprint
from keras_gpt3.training.run.log import RunLog
from keras_gpt3.training.run.preemption import PreemptionHandler
from keras_gpt3.training.run.report import make_report


def pretrain(
    config, make_model, elapsed_seconds=0.0, verbose="auto", probe=None
):
    """Train a model as a config says, from the start or from where it stopped.

    A run folder that holds a checkpoint is resumed: no flag is needed.
    The order of the data, the recipe and the seed are functions of the
    config, so that a run which is killed and resumed ends with the weights,
    bit for bit, of one that is not. Started on several machines, with
    `TF_CONFIG` or under JAX with the variables of
    `keras.distribution.initialize`, all of them train one model.

    Args:
        config: `PretrainingConfig`.
        make_model: callable. Takes `config.model` and `sequence_length` (int
            or `None`), is called in the strategy's scope and returns a `GPT3`
            that is not compiled.
        elapsed_seconds: float. What of `stop_after_minutes` has passed.
            Defaults to `0.0`.
        verbose: `"auto"` or bool. `"auto"` shows a bar on a terminal, and
            lines elsewhere; `False` shows neither. Defaults to `"auto"`.
        probe: `keras_gpt3.evaluation.TrainingProbe`. What the model is put
            through at each validation. Defaults to `None`.

    Returns:
        Whether the run reached its end; it may have been stopped before.

    Raises:
        BlockingIOError: If another process has its run in the folder.
        ValueError: If the config, the run folder or the shards are wrong.
        MemoryError: If a full batch needs more memory than there is. The
            message says which micro-batches would fit.
        RuntimeError: If something goes wrong in mid-run: too many updates
            are not finite, a shard cannot be read any more, or the last
            checkpoint cannot be written.
        ImportError: If the extra `[pretrain]`, under JAX `[jax]`, is not
            installed.

    Example:

    ```python
    import keras_gpt3
    from keras_gpt3 import training

    def make_model(section, sequence_length):
        return keras_gpt3.GPT3.from_preset(section.preset, **section.overrides)

    config = training.PretrainingConfig(
        folder="runs/small",
        model=training.ModelSection("gpt3_small_en"),
        data=training.DataSection({"books": "shards/books"}),
    )
    # keras_gpt3.training.pretrain(config, make_model) trains for days.
    ```
    """
    require_training("Pretraining")
    section = config.validation
    if probe is None and (section.tasks or section.samples):
        raise ValueError(
            "probe must be given for validation.tasks and validation.samples. "
            "Received: probe=None. Pass "
            "keras_gpt3.evaluation.TrainingProbe(config.validation, seed)."
        )
    if keras.config.backend() == "jax" and config.model.jit_compile is False:
        raise ValueError(
            "model.jit_compile must not be false under JAX, which compiles "
            "every step. Received: model.jit_compile=false. Leave it out."
        )
    keras.utils.set_random_seed(config.seed)
    folder = RunFolder(config.folder)
    with contextlib.ExitStack() as stack:
        devices = run_devices(
            config.devices, functools.partial(_proposed_mesh, config, folder)
        )
        stack.enter_context(devices)
        # Also on workers that do not write: all must refuse the same folder.
        if is_chief(devices.strategy):
            stack.enter_context(folder.lock())
        config = folder.with_saved(config)
        with devices.scope():
            model = make_model(config.model, config.data.sequence_length)
        if probe is not None:
            probe.check(model)
            probe = functools.partial(probe, model)
        run = _make_run(
            config,
            model,
            devices,
            folder,
            probe,
            elapsed_seconds,
            stack,
            verbose,
        )
        finished = run.run()
        if finished:
            devices.save_preset(model, str(folder.preset))
        # A worker that ended before would look lost to the one that writes.
        wait_for_all(devices.strategy)
    return finished


def _proposed_mesh(config, folder, num_devices):
    """What `plan` proposes for a run on so many devices: fields of a section.

    Asked before the model is made, which is made on these devices.
    """
    config, section = folder.with_saved(config), config.model
    model = complete_config(describe(section.preset).config | section.overrides)
    length = config.data.sequence_length or model["max_sequence_length"]
    recipe = run_recipe(config.recipe, section.preset, length)
    return proposed_devices(
        model,
        num_devices,
        backend=keras.config.backend(),
        batch_tokens=recipe.batch_tokens,
        length=length,
        dtype=section.dtype,
        micro_batch_size=section.micro_batch_size,
        rematerialization=section.rematerialization,
        batch_multiple=config.recipe.batch_multiple or common_multiple(recipe),
    )


def _make_run(
    config, model, devices, folder, probe, elapsed_seconds, stack, verbose
):
    """All parts of a run, put together: a `PretrainingRun`."""
    from keras_gpt3.training.run.pretraining_run import PretrainingRun
    from keras_gpt3.training.run.pretraining_run import batch_size

    length = _sequence_length(config, model)
    recipe = run_recipe(config.recipe, config.model.preset, length)
    multiple = batch_multiple(
        config.recipe,
        recipe,
        config.model.micro_batch_size,
        devices.num_parts,
    )
    recipe = dataclasses.replace(recipe, batch_multiple=multiple)
    section = resolved_section(config.recipe, recipe)
    config = dataclasses.replace(
        config,
        recipe=section,
        validation=config.validation.resolved(recipe.num_steps),
    )
    data = RunData(config, length, devices)
    _check_vocabulary(data, model)
    strategy = devices.strategy
    _check_workers(config, data, strategy)
    with devices.scope():
        model.compile(
            optimizer=recipe.optimizer(),
            micro_batch_size=devices.micro_batch_size(config, recipe.grows),
            rematerialization=config.model.rematerialization,
            jit_compile=config.model.jit_compile,
            pipeline_stages=devices.pipeline_stages,
        )
        # Before the optimizer takes its part.
        rows = recipe.batch_tokens // length
        _check_memory(model, rows, length, config.model.preset)
        model.compiled_step.prepare_optimizer(model)
    chief = is_chief(strategy)
    if chief:
        folder.write(config)
    log = RunLog(folder.log)
    preemption = PreemptionHandler(
        config.stop_after_minutes,
        config.checkpoints.every_minutes,
        elapsed_seconds=elapsed_seconds,
    )
    checkpointer = _checkpointer(config, model, devices, folder, data)
    stack.enter_context(checkpointer)
    return PretrainingRun(
        config,
        recipe,
        data,
        loop=devices.loop(model, data, batch_size(recipe), rows),
        probe=probe,
        checkpointer=checkpointer,
        preemption=stack.enter_context(preemption),
        report=make_report(config, model, recipe, length, devices),
        sinks=_sinks(config, recipe, folder, log, stack, verbose)
        if chief
        else [],
        forget_after=log.forget_after if chief else lambda step: None,
    )


def _sequence_length(config, model):
    """Tokens of a context: the config's, or the model's."""
    longest = model.backbone.max_sequence_length
    length = config.data.sequence_length or longest
    if length > longest:
        raise ValueError(
            "data.sequence_length must be at most the model's context. "
            f"Received: data.sequence_length={length}, max_sequence_length="
            f"{longest}. Use shorter contexts, or override the model's."
        )
    return length


def _checkpointer(config, model, devices, folder, data):
    section = config.checkpoints
    return ModelCheckpointer(
        model,
        folder.checkpoints,
        devices.checkpoint_format(),
        {
            "seed": config.seed,
            "recipe": dataclasses.asdict(config.recipe),
            "tokens of the shards": data.identity(),
            "attend_across_documents": config.data.attend_across_documents,
        },
        keep_last=section.keep_last,
        keep_every=section.keep_every,
        keep_best=section.keep_best,
        strategy=devices.strategy,
    )


def _check_vocabulary(data, model):
    if data.vocabulary_size > model.backbone.vocabulary_size:
        raise ValueError(
            "The shards' vocabulary must be at most the model's. Received: "
            f"{data.vocabulary_size} ids in the shards, vocabulary_size="
            f"{model.backbone.vocabulary_size}. Write the shards with the "
            "model's tokenizer."
        )


def _check_memory(model, rows, length, name):
    """Raise unless a full batch fits, in the words of the config."""
    try:
        check_step_fits(model, rows, length, name)
    except StepMemoryError as error:
        raise error.with_remedy(
            lambda choice: (
                f"Set in the config's section model: {choice.arguments}."
            )
        ) from None


def _check_workers(config, data, strategy):
    """Raise unless all workers were given the same run."""
    numbers = {
        "the config": (fingerprint(config), "file and the same --set"),
        "the shards": (data.digest(), "copy of the shards"),
    }
    for what, (number, remedy) in numbers.items():
        if from_first_worker(strategy, number) != number:
            raise ValueError(
                f"All workers must have {what} of one run. Received: {what} of "
                "this worker, other than the first's. Start all with the same "
                f"{remedy}."
            )


def _sinks(config, recipe, folder, log, stack, verbose):
    """Where the records go."""
    from keras_gpt3.training.run.sinks import ConsoleSink

    console = ConsoleSink(recipe.num_steps, verbose)
    stack.callback(console.close)
    sinks = [log.sink, console]
    if config.log.plot:
        from keras_gpt3.training.run.sinks import PlotSink

        plot = PlotSink(folder.path)
        stack.callback(plot.close)
        sinks.append(plot)
    if config.log.tensorboard:
        from keras_gpt3.training.run.sinks import TensorBoardSink

        sinks.append(TensorBoardSink(folder.tensorboard))
    if config.log.wandb_project:
        from keras_gpt3.training.run.sinks import WandbSink

        wandb = WandbSink(
            config.log.wandb_project, folder.path, dataclasses.asdict(config)
        )
        stack.callback(wandb.close)
        sinks.append(wandb)
    return sinks
