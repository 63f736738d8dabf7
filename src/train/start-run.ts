/** Starts a run (figures, stages, the checkpoint to resume from, initial weights), and changes from stage to stage. */
import { stepNames } from '../io/run-files.ts'
import { readSafetensors } from '../io/safetensors.ts'
import { EffuseError } from '../ir/diagnostics.ts'
import { globFilter } from '../ir/glob.ts'
import { variablesOf } from '../ir/graph.ts'
import { listed } from '../ir/listed.ts'
import type { Model } from '../ir/model.ts'
import { print } from '../ir/print.ts'
import { showType } from '../ir/types.ts'
import type { Signature } from '../ir/value.ts'
import { accumulateNames } from '../passes/train/accumulate.ts'
import { averagePrefix } from '../passes/train/moving-averages.ts'
import type { Optimizer } from '../passes/train/optimizers.ts'
import { scheduleOf } from '../passes/train/schedules.ts'
import { type FoundCheckpoint, configurationDifferences, latestCheckpoint } from './checkpoints.ts'
import { drawBatches } from './draw-batches.ts'
import { makeEmitter } from './emitter.ts'
import type { Stage } from './events.ts'
import { batchFingerprint, modelFingerprint } from './fingerprint.ts'
import { figuresOf, type FitOptions, type ModelForStage, positionOf, type RunFigures } from './fit-options.ts'
import type { Run } from './run.ts'
import { type RunConfiguration, type RunState, startState } from './run-state.ts'
import { type StageRunner, openStage } from './stage-runner.ts'
import { stageAt, stagesOf } from './stages.ts'
import { makeThroughput } from './throughput.ts'
import { optimizerDifference, variableDifferences } from './variable-differences.ts'
import { didYouMean } from '../ir/words.ts'

/** Opens the first stage, or the stage that a resumed run is in, with the right values of the variables. */
export const startRun = async (model: ModelForStage<Signature, Signature>, options: FitOptions): Promise<Run> => {
  const figures = figuresOf(options)
  const { augmentation, mixup, stages: staged, epochs } = options
  const stages = stagesOf(staged, epochs, { augmentation, mixup })
  const modelFor = modelFunction(model, stages)
  const notices: string[] = []
  const found = await checkpointToResume(options, (message) => notices.push(message))
  const configuration = configurationOf(options, found)
  const events = makeEmitter(options.onEvent)
  const { emit } = events
  for (const message of notices) emit({ kind: 'notice', message })
  const state = found?.state ?? startState
  const optimizer = optimizerOf(options, figures, state)
  const stage = stageAt(stages, state.epoch)
  const runner = await openStage(modelFor(stage), options, optimizer, configuration.seed, undefined)
  const throughput = makeThroughput()
  const checkpoint = found?.name ?? null
  const run: Run = {
    ...{ options, figures, stages, configuration, optimizer, modelFor, emit, events, throughput },
    ...{ state, stage, runner, checkpoint },
  }
  try {
    if (found !== null) await restore(runner, found)
    else if (options.variables !== undefined) await startFrom(runner, options)
    if (state.epoch > options.epochs)
      emit({
        kind: 'notice',
        message: `the run in ${options.checkpoints?.label ?? 'the store'} has finished ${state.epoch} epochs, more than the requested ${options.epochs}: there is nothing to do`,
      })
    if (found !== null) for (const message of await changesSince(run)) emit({ kind: 'notice', message })
    noteModel(run)
    emitStage(run, stage, runner.compileMs)
    return run
  } catch (error) {
    runner.dispose()
    throw error
  }
}

/** With the schedule at the run's position: `step` continues to count when a resumed run has another number of updates per epoch. */
const optimizerOf = (options: FitOptions, figures: RunFigures, state: RunState): Optimizer => {
  const declared = typeof options.optimizer === 'function' ? options.optimizer(figures) : options.optimizer
  const by = positionOf(state, options, figures) - state.step
  return by === 0
    ? declared
    : { ...declared, learningRate: { kind: 'shifted', by, after: scheduleOf(declared.learningRate) } }
}

/** Opens the run's current stage into `run.runner`. The earlier executables share their variables with it and are disposed of. */
export const openStageOf = async (run: Run): Promise<Stage | 'aborted'> => {
  const stage = stageAt(run.stages, run.state.epoch)
  const { runner, options, optimizer, configuration } = run
  if (stage === run.stage) return stage
  const model = run.modelFor(stage)
  if (isSameModel(model, runner.model)) {
    run.stage = stage
    noteModel(run)
    emitStage(run, stage, 0)
    return stage
  }
  checkSameVariables(runner.model, model, stage)
  const { signal } = options
  const opened = await openStage(model, options, optimizer, configuration.seed, runner.trainer.variables).catch(
    (error: unknown) => {
      if (signal?.aborted === true && error === signal.reason) return null
      throw error
    },
  )
  if (opened === null) return 'aborted'
  opened.trainer.runIndex = runner.trainer.runIndex
  run.runner = opened
  run.stage = stage
  noteModel(run)
  runner.dispose()
  emitStage(run, stage, run.runner.compileMs)
  return stage
}

const noteModel = (run: Run): void => {
  run.state = { ...run.state, model: { stage: run.stage.index, fingerprint: modelFingerprint(run.runner.model) } }
}

/** Reports changes that a resumed run may have. Classes, seed and variables have already been compared. */
const changesSince = async ({ state, stages, modelFor, options, configuration }: Run): Promise<readonly string[]> => {
  const changes: string[] = []
  const trained = state.model === undefined ? undefined : stages[state.model.stage]
  if (trained !== undefined && modelFingerprint(modelFor(trained)) !== state.model?.fingerprint)
    changes.push(
      'the model has changed: its graph differs from the one that the checkpoint was trained with (or another version of effuse built it)',
    )
  if (state.firstBatch !== undefined) {
    const { fingerprint, ...asked } = state.firstBatch
    const request = { ...asked, epoch: 0, seed: configuration.seed, signal: options.signal }
    for await (const columns of drawBatches(options.data.train, request)) {
      if (batchFingerprint(columns) !== fingerprint)
        changes.push(
          'the training data has changed: its first batch differs from the first batch at the start of the run (or the source draws random numbers without the seed; a resumed run then differs from an uninterrupted one)',
        )
      break
    }
  }
  return changes
}

/** Equal text means an equal program: its executables are reused. */
const isSameModel = (a: Model, b: Model): boolean => a === b || print(a.at({ batch: 1 })) === print(b.at({ batch: 1 }))

/** Training changes only variables, so a stage takes them over unchanged. @throws EffuseError EF403, with a list of differences */
const checkSameVariables = (before: Model, now: Model, { index }: Stage): void => {
  const [were, are] = [variableTypes(before), variableTypes(now)]
  const differences = [...new Set([...were.keys(), ...are.keys()])].flatMap((name) => {
    const [was = 'missing', is = 'missing'] = [were.get(name), are.get(name)]
    return was === is ? [] : [`"${name}" was ${was} and is ${is}`]
  })
  if (differences.length > 0)
    throw new EffuseError({
      code: 'EF403',
      message: `the model of stage ${index} has other variables than the one before:${listed(differences)}`,
      hint: 'picture size and dropout may change from stage to stage, variables may not',
    })
}

const variableTypes = (model: Model): ReadonlyMap<string, string> =>
  new Map(
    variablesOf(model.at({ batch: 1 })).map(({ attrs, types: [type] }) => [
      attrs.name,
      type === undefined ? '' : showType(type),
    ]),
  )

const emitStage = ({ emit, state, runner }: Run, stage: Stage, compileMs: number): void =>
  emit({ kind: 'stage', stage, epoch: state.epoch, backend: runner.trainer.backend, compileMs, step: state.step })

const modelFunction = (
  model: ModelForStage<Signature, Signature>,
  stages: readonly Stage[],
): ((stage: Stage) => Model) => {
  if (typeof model === 'function') return model
  if (stages.some(({ size, dropout }) => size !== undefined || dropout !== undefined))
    throw new EffuseError({
      code: 'EF403',
      message:
        'stages that change the picture size or the dropout need a function that makes a model for each stage, but fit() got one model',
      hint: "fit((stage) => efficientNet('b0', { resolution: stage.size, dropout: stage.dropout }), …)",
    })
  return () => model
}

/**
 * Checks at the start that the store can be written, so that a run does not fail at its first checkpoint. A new run needs a store without
 * another run's checkpoints: with checkpoints of two runs, neither rotation nor a later `resume` could identify the latest.
 */
const checkpointToResume = async (
  { checkpoints, resume }: FitOptions,
  onDamaged: (message: string) => void,
): Promise<FoundCheckpoint | null> => {
  if (checkpoints === undefined) return null
  await checkpoints.write(probeName, new Uint8Array(1))
  await checkpoints.remove(probeName)
  if (resume !== true) {
    const [latest] = stepNames(await checkpoints.list())
    if (latest === undefined) return null
    throw new EffuseError({
      code: 'EF508',
      message: `${checkpoints.label} already contains checkpoints of a run, of which ${latest} is the latest; a new run must not add its own`,
      hint: 'resume: true continues that run; give a new run another place',
    })
  }
  return latestCheckpoint(checkpoints, onDamaged)
}
const probeName = '.probe'

/** @throws EffuseError EF508, with a list of differences */
const configurationOf = (options: FitOptions, found: FoundCheckpoint | null): RunConfiguration => {
  const { classes, length } = options.data.train
  const { batch, accumulate = 1 } = options
  const seed = options.seed ?? found?.configuration.seed ?? 0
  const configuration = { seed, batch, accumulate, classes: [...classes], length }
  if (found === null) return configuration
  const isAtEpoch = found.state.batchInEpoch === 0
  const differences = configurationDifferences(found.configuration, configuration, isAtEpoch)
  if (differences.length > 0)
    throw new EffuseError({
      code: 'EF508',
      message: `the run in ${options.checkpoints?.label ?? 'the store'} cannot be resumed from ${found.name}:${listed(differences)}`,
      hint: 'use the data and the settings that it was started with, or start a new run in another folder',
    })
  return configuration
}

const restore = async ({ trainer }: StageRunner, { bytes, name, state }: FoundCheckpoint): Promise<void> => {
  // Between updates the accumulators are empty, so a resumed run may have other accumulators.
  const except = state.pending.batches === 0 ? [`${accumulateNames.prefix}**`] : []
  const { tensors } = readSafetensors(bytes, name)
  const differences = variableDifferences(tensors, trainer.variables, except)
  if (differences.length > 0)
    throw new EffuseError({
      code: 'EF508',
      message: `${optimizerDifference(name, tensors.keys(), trainer.variables.names())}the checkpoint ${name} is of another model, optimizer or averages:${listed(differences)}`,
      hint: 'declare the model, the optimizer, the averages, mixed precision and the loss scale as they were when the run began',
    })
  await trainer.variables.load(bytes, { except, verify: false }) // latestCheckpoint() has checked it
  trainer.runIndex = state.runIndex
}

/** Loads the model's variables from another run or a file. Averages start at the same values, as they do with initial values. */
const startFrom = async (
  { trainer, model }: StageRunner,
  { variables: source, fresh = [] }: FitOptions,
): Promise<void> => {
  const { variables } = trainer
  const names = variablesOf(model.at({ batch: 1 })).map((node) => node.attrs.name)
  const idle = [fresh].flat().find((glob) => !names.some(globFilter(glob.replace(/^!/, ''))))
  if (idle !== undefined)
    throw new EffuseError({
      code: 'EF403',
      message: `option "fresh": no variable fits the glob "${idle}"`,
      hint: didYouMean(idle, names),
    })
  const isFresh = globFilter(fresh)
  const own = names.filter((name) => !isFresh(name))
  if (typeof source === 'object' && 'names' in source)
    for (const name of own) {
      const { dtype } = variables.describe(name)
      await variables.set(name, await source.get(name, dtype))
    }
  else if (source !== undefined) {
    const isOwn = new Set(own)
    const except = [
      ...variables.names().filter((name) => !isOwn.has(name)),
      ...[fresh].flat().filter((glob) => !glob.startsWith('!')),
    ]
    await variables.load(source, { except })
  }
  for (const name of own)
    if (variables.names(`${averagePrefix}${name}`).length > 0)
      await variables.set(`${averagePrefix}${name}`, await variables.get(name, variables.describe(name).dtype))
}
