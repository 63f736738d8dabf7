import { join } from 'node:path'
import type { Command } from 'commander'
import { configuredBackend, type TensorflowFlags, withTensorflowFlags } from '../tensorflow-flags.ts'
import { withExecutionFlags } from '../execution-flags.ts'
import { EffuseError } from '../../ir/diagnostics.ts'
import { bestName } from '../../io/run-files.ts'
import { fit } from '../../train/fit.ts'
import type { Recipe } from '../../recipes/recipe.ts'
import type { FitResult } from '../../train/fit-result.ts'
import type { TensorBoardSink } from '../../train/tensor-board.ts'
import { naturalOf, withCommon, type CommonOptions } from '../common.ts'
import { type Io, resumeCommand } from '../io.ts'
import { type WeightsFlags, withWeightsFlags } from '../open-weights.ts'
import { addSettingFlags } from '../train/flags.ts'
import { catchInterrupt } from '../train/interrupt.ts'
import { openMetrics } from '../train/metrics.ts'
import { newPlan, resumedPlan, type TrainPlan } from '../train/plan.ts'
import { durationWords, makeProgress, percent } from '../../train/progress.ts'
import { progressOutputOf } from '../train/progress.ts'
import { openRunFolder, type RunFolder } from '../train/run-folder.ts'

interface Options extends CommonOptions, TensorflowFlags, WeightsFlags {
  readonly recipe?: string
  readonly out?: string
  readonly resume?: string
  readonly logEvery: string
  readonly tensorboard?: string
}

/** @param end Sets the exit code of a run that a signal stopped. */
export const addTrain = (program: Command, io: Io, end: (exitCode: number) => void): void => {
  const described = program.command('train').description('train a network; a run can be stopped and resumed')
  const command = withTensorflowFlags(withExecutionFlags(withCommon(described)))
    .option('--recipe <name>', 'initial settings: b0-imagenet, b4-imagenet, digits, or FILE.json; flags override them')
    .option('--out <folder>', 'folder for config.json, metrics.jsonl and checkpoints; default runs/<name>')
    .option('--resume <folder>', 'resume the run in this folder; flags override its settings')
    .option('--log-every <updates>', 'updates between lines of metrics.jsonl', '10')
    .option('--tensorboard <folder>', 'also write the numbers for TensorBoard there; needs effuse setup tensorflow')
  addSettingFlags(command)
  withWeightsFlags(command)
  command.action(async (options: Options) => {
    const logEvery = naturalOf('--log-every', options.logEvery, 1)
    // A bar changes where lines are printed.
    const voice = { say: io.err }
    const say = (line: string): void => voice.say(line)
    // Before anything is made: it may be missing.
    const board = options.tensorboard === undefined ? null : await openBoard(options.tensorboard)
    const plan =
      options.resume === undefined
        ? await newPlan(command, options, say)
        : await resumedPlan(command, options.resume, options, say)
    const backend = await configuredBackend(plan.recipe.backend, options)
    await train(
      { ...plan, options: { ...plan.options, backend } },
      { io, end, voice, logEvery, board, isJson: options.json === true },
    )
  })
}

const openBoard = async (folder: string): Promise<TensorBoardSink> =>
  (await import('../../train/tensor-board.ts')).tensorBoard(folder)

interface Surroundings {
  readonly io: Io
  readonly end: (exitCode: number) => void
  readonly voice: { say: (line: string) => void }
  readonly logEvery: number
  readonly board: TensorBoardSink | null
  readonly isJson: boolean
}

const train = async (plan: TrainPlan, { io, end, voice, logEvery, board, isJson }: Surroundings): Promise<void> => {
  const { recipe, notes } = plan
  const run = await openRunFolder(plan, io, (line) => voice.say(line))
  const folder = run.path
  for (const note of notes) io.err(`note: ${note}`)
  io.err(`${plan.resumed !== null ? 'resuming' : 'training'} ${recipe.model} on ${recipe.data}, in ${folder}`)
  const metrics = openMetrics(folder, logEvery)
  const progress = makeProgress(progressOutputOf(io), {
    rowsPerUpdate: recipe.batch * recipe.accumulate,
    epochs: recipe.epochs,
  })
  voice.say = progress.say
  const ending = new AbortController()
  const log = makeGuard(() => ending.abort())
  using interrupt = catchInterrupt({
    onFirst: () => {
      progress.say('stopping after this step, with a checkpoint; Ctrl-C again ends at once')
      ending.abort()
    },
    onSecond: progress.stop, // the bar hides the cursor
  })
  const start = performance.now()
  let isStarted = false
  let updates = 0
  try {
    using result = await fit(plan.model, {
      ...plan.options,
      checkpoints: run.checkpoints,
      resume: plan.resumed !== null,
      signal: ending.signal,
      onEvent: (event) => {
        if (event.kind === 'stage' && !isStarted) {
          isStarted = true
          log.attempt(() => metrics.goOnFrom(event.step))
        }
        if (event.kind === 'step') {
          updates++
          log.attempt(() => metrics.step(event))
        }
        if (event.kind === 'evaluation') log.attempt(() => metrics.evaluation(event))
        if (board !== null) log.attempt(() => board(event))
        progress.onEvent(event)
      },
    })
    progress.stop()
    log.rethrow()
    if (updates === 0 && result.reason !== 'aborted') await nothingToDo(result, { run, recipe, io })
    const seconds = (performance.now() - start) / 1000
    if (isJson) io.out(JSON.stringify(documentOf(result, folder, seconds), null, 2))
    else for (const line of summaryOf(result, folder, seconds)) io.out(line)
    if (result.reason === 'aborted') {
      io.err(`stopped; to resume: ${resumeCommand(io, folder)}`)
      end(interrupt.exitCode() ?? 1)
    }
  } catch (error) {
    progress.stop()
    if (!isStarted) await run.undo()
    const exitCode = interrupt.exitCode()
    if (isStarted || exitCode === null) throw withWayOn(error, isStarted ? await run.place() : null, io)
    io.err('stopped before the first update')
    if (isJson) io.out(JSON.stringify(documentOf(nothingDone, folder, 0), null, 2))
    end(exitCode)
  } finally {
    await run.release()
    plan.start?.[Symbol.dispose]()
  }
}

/** A resumed run that was already complete: its folder does not change. @throws EffuseError EF601 if it has done more than requested */
const nothingToDo = async (
  { epochs, reason }: FitResult,
  { run, recipe, io }: Pick<Surroundings, 'io'> & { readonly run: RunFolder; readonly recipe: Recipe },
): Promise<void> => {
  await run.restoreSettings()
  if (epochs > recipe.epochs)
    throw new EffuseError({
      code: 'EF601',
      message: `--epochs ${recipe.epochs} is less than the ${epochs} epochs that the run in ${run.path} has finished; nothing was changed`,
      hint: `--epochs ${epochs * 2} continues the run; without --resume a new run starts`,
    })
  if (reason === 'finished')
    io.err(
      `note: all ${epochs} epochs were already finished, so nothing was changed; --epochs ${epochs * 2} continues the run`,
    )
}

/** An error of logging ends the run like an interrupt, with a checkpoint, and is thrown afterwards. */
const makeGuard = (onFault: () => void): { attempt(work: () => void): void; rethrow(): void } => {
  let fault: { readonly error: unknown } | null = null
  return {
    attempt: (work) => {
      try {
        work()
      } catch (error) {
        fault ??= { error }
        onFault()
      }
    },
    rethrow: () => {
      if (fault !== null) throw fault.error
    },
  }
}

type Outcome = Omit<FitResult, 'variables' | 'dispose' | typeof Symbol.dispose>
const nothingDone: Outcome = {
  ...{ reason: 'aborted', epochs: 0, steps: 0, skippedSteps: 0, loss: null, lossScale: 1 },
  ...{ top1: null, emaTop1: null, checkpoint: null },
}

const documentOf = (result: Outcome, folder: string, seconds: number): object => {
  const { checkpoint, reason, epochs, steps, loss, top1, emaTop1, skippedSteps, lossScale } = result
  return {
    folder,
    checkpoint: checkpoint === null ? null : join(folder, checkpoint),
    ...{ reason, epochs, steps, seconds: Math.round(seconds * 1000) / 1000 },
    ...{ loss, top1, emaTop1, skippedSteps, lossScale },
  }
}

/** The last line is the test accuracy, of the averages if there are some. */
const summaryOf = (result: Outcome, folder: string, seconds: number): readonly string[] => {
  const { checkpoint, reason, epochs, steps, top1, emaTop1, skippedSteps } = result
  const how = { finished: 'finished', earlyStop: 'ended early, without improvement,', aborted: 'stopped' }[reason]
  return [
    `${how} after ${epochs} ${epochs === 1 ? 'epoch' : 'epochs'} and ${steps} ${steps === 1 ? 'update' : 'updates'}${skippedSteps === 0 ? '' : `, ${skippedSteps} of them skipped,`} in ${durationWords(seconds)}`,
    ...(checkpoint === null ? [] : [`checkpoint: ${join(folder, checkpoint)}`]),
    ...(top1 === null ? [] : [`best so far: ${join(folder, bestName)}`, `test accuracy: ${percent(top1)}`]),
    ...(emaTop1 === null ? [] : [`test accuracy of the averages: ${percent(emaTop1)}`]),
  ]
}

/** Adds to the error of a failed run how to resume it. */
const withWayOn = (error: unknown, folder: string | null, io: Io): unknown => {
  // A wrong command line has a hint of its own.
  if (folder === null || !(error instanceof EffuseError) || error.code === 'EF601') return error
  const way = `the finished work is saved; to resume: ${resumeCommand(io, folder)}`
  return new EffuseError({
    ...{ code: error.code, message: error.message, path: error.path, diagnostics: error.diagnostics, cause: error },
    hint: error.hint === undefined ? way : `${error.hint}; ${way}`,
  })
}
