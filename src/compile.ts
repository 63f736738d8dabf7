/** compile(): options -> graph -> passes -> backend -> Executable. It only connects these steps; each one has its own file. */
import type { Backend, Engine } from './backends/backend.ts'
import { runningNames } from './backends/catalog.ts'
import { declareDerivedValues, derivedValues } from './executable/derived-values.ts'
import { onDevice } from './executable/device-loss.ts'
import { selectBackend } from './backends/select.ts'
import { ampFigures, ampRequest, engineFor, namingVariable, withEnvironmentScale } from './executable/amp.ts'
import { makeExecutable, type Executable } from './executable/executable.ts'
import { checkOptions, type CompileOptions, xlaChoiceOf } from './executable/options.ts'
import { variablesFor } from './executable/share-variables.ts'
import { declareAll, specsOf, type VariableSpec } from './executable/variable-spec.ts'
import { handleOf, holdStore, makeVariables, releaseStore } from './executable/variables.ts'
import type { WeightsSource } from './executable/weights-source.ts'
import { modelMetadata } from './ir/metadata.ts'
import { debugOptions, saveReproducer } from './executable/debug.ts'
import { checkModel, type Model } from './ir/model.ts'
import { EffuseError } from './ir/diagnostics.ts'
import type { Graph } from './ir/types.ts'
import type { Signature } from './ir/value.ts'
import type { Judge } from './passes/judge.ts'
import { checkedPipeline } from './passes/pipeline.ts'
import { derivedVariables, graphsOf, type Program, programOf } from './passes/program.ts'
import { inferencePasses, passNames, type Precision } from './passes/pipelines.ts'
import { declarationOf } from './passes/train/declaration.ts'
import { type PassRecord, type PipelineResult, type RunnerOptions, runPipeline } from './passes/runner.ts'

/**
 * Compiles a model for a backend and returns an executable.
 *
 * @param model A model, for example of graph(), efficientNet() or trainingStep().
 * @throws EffuseError EF403 (options), EF404 (backend not available), EF405 (op not supported), EF303 (a pass failed), EF410 (device lost), EF505 (weights).
 * @example
 * const net = await compile(graph('double', { x: float32('batch', 2) }, ({ x }) => ({ y: add(x, x) })), { backend: 'reference' })
 * const { y } = await net.run({ x: [[1, 2]] }) // y is [[2, 4]]
 */
export const compile = async <I extends Signature, O extends Signature>(
  model: Model<I, O>,
  options: CompileOptions = {},
): Promise<Executable<I, O>> => {
  checkModel('compile()', model)
  checkOptions(options)
  // Held from the call on, because the other executable may be disposed of during this compilation.
  const shared = handleOf(options.variables)
  if (shared !== null) holdStore(shared)
  try {
    const { backend, reason } = await selectBackend(options.backend ?? 'auto')
    return await compileFor(model, options, backend, reason)
  } finally {
    if (shared !== null) releaseStore(shared)
  }
}

const compileFor = async <I extends Signature, O extends Signature>(
  model: Model<I, O>,
  options: CompileOptions,
  backend: Backend,
  backendReason: string,
): Promise<Executable<I, O>> => {
  const amp = ampRequest(options.amp, backend)
  const engine = engineFor(backend, amp)
  // Loaded on demand, because they are large.
  const settings = amp?.settings ?? null
  const precision = settings === null ? null : (await import('./passes/mixed-precision/amp.ts')).precisionOf(settings)
  const judge = options.verify === true ? (await import('./passes/judge.ts')).meaningJudge : undefined
  const { declared, program, records, specs, added } = planFor(
    model,
    options,
    { engine, name: backend.name },
    precision,
    judge,
  )
  const seed = options.seed ?? 0
  const handle = await variablesFor(backend, specs, options.variables, seed)
  const close: (() => void)[] = [() => releaseStore(handle)]
  try {
    const derived = derivedValues(program, handle.nameOf)
    const releaseDerived = declareDerivedValues(handle.store, derived)
    close.unshift(releaseDerived)
    const derivedNames = new Map(derived.map(({ variable, name }) => [variable, name]))
    declareAll(handle.store, added, seed, handle.nameOf)
    const nameOf = (variable: string): string => derivedNames.get(variable) ?? handle.nameOf(variable)
    const { signal, onProgress, precision, deterministic } = options
    const how = { xla: xlaChoiceOf(options.xla), precision, deterministic }
    const runnable = await onDevice(backend, () =>
      engine.compile(program, handle.store, { nameOf, ...how, signal, onProgress }),
    )
    close.unshift(() => runnable.dispose())
    const variables = makeVariables({ ...handle, specs }, modelMetadata(model))
    if (options.variables !== undefined && handleOf(options.variables) === null)
      await variables.load(options.variables as WeightsSource)
    const parts = {
      name: model.name,
      backend,
      backendReason,
      runnable,
      program,
      declared,
      handle,
      nameOf,
      releaseDerived,
    }
    return makeExecutable<I, O>({ ...parts, variables, records, seed, amp: ampFigures(records, backend, amp) })
  } catch (error) {
    // A failed compilation leaves nothing on the device.
    for (const dispose of close)
      try {
        dispose()
      } catch {
        // Report the first error, not this one.
      }
    throw error
  }
}

interface Planned {
  readonly declared: Graph
  readonly program: Program
  readonly records: readonly PassRecord[]
  readonly specs: ReadonlyMap<string, VariableSpec>
  /** Variables that the user's passes added. */
  readonly added: readonly VariableSpec[]
}

/** The declared graph, the program that the pipeline makes from it, and the variables that users see. */
const planFor = (
  model: Model,
  options: CompileOptions,
  { engine, name }: { readonly engine: Engine; readonly name: string },
  precision: Precision | null,
  judge: Judge | undefined,
): Planned => {
  options.signal?.throwIfAborted()
  const step = declarationOf(model)
  const training = withEnvironmentScale(step?.options ?? null)
  if (training !== null && options.batch === undefined) throw missingBatch(model.name)
  const declared = model.at({ batch: options.batch ?? 1 })
  const xla = options.xla ?? true
  const { simplify = true, fusion = true } = typeof xla === 'boolean' ? { simplify: xla, fusion: xla } : xla
  const switches = { simplify, fusion, precision }
  const standard =
    step === null || training === null ? inferencePasses(engine, switches) : step.pipeline(engine, switches, training)
  const replayable = new Set([...passNames, ...[...engine.legalize, ...engine.fuse].map(({ name }) => name)])
  const pipeline =
    options.passes === undefined
      ? standard
      : checkedPipeline(options.passes(standard), 'the option "passes" of compile()')
  const { verify, debug } = debugOptions(new Set([...replayable, ...pipeline.passes.map(({ name }) => name)]))
  const run = (start: Program, how: RunnerOptions): PipelineResult => {
    try {
      return runPipeline(pipeline, start, how)
    } catch (error) {
      throw precision === null ? error : namingVariable(error)
    }
  }
  const { program, records } = run(programOf(declared, model.name), {
    target: engine.target,
    verify: options.verify ?? verify,
    judge,
    debug,
    saveReproducer,
    replayable,
    backend: runningNames.find((running) => running === name),
  })
  options.signal?.throwIfAborted()
  // A training step also has variables that do not affect its loss, and its passes add variables: slots, averages, the step.
  const whole = step?.trained.at({ batch: options.batch ?? 1 }) ?? declared
  const derived = derivedVariables(program)
  const written = specsOf([whole, declared])
  const made = specsOf(graphsOf(program)).filter(({ name }) => !derived.has(name))
  const specs = new Map([...written, ...(training === null ? [] : made)].map((spec) => [spec.name, spec]))
  return { declared, program, records, specs, added: made.filter(({ name }) => !specs.has(name)) }
}

const missingBatch = (name: string): EffuseError =>
  new EffuseError({
    code: 'EF403',
    message: `${name} is a training step and needs the option "batch": its statistics depend on it`,
    hint: 'write compile(step, { batch: 32 })',
  })
