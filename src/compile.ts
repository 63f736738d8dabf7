/** compile(): options -> graph -> passes -> backend -> Executable. Decides nothing itself; every step has its file. */
import type { Backend, Engine, Store, VariableSpec } from './backends/backend.ts'
import { hostArrayOf, type Binding } from './backends/backend.ts'
import { selectBackend } from './backends/select.ts'
import { ampFigures, ampRequest, engineFor, withEnvironmentScale } from './executable/amp.ts'
import { makeExecutable, type Executable } from './executable/executable.ts'
import { checkOptions, type CompileOptions } from './executable/options.ts'
import {
  handleOf,
  holdStore,
  makeVariables,
  releaseStore,
  type Variables,
  type VariablesHandle,
} from './executable/variables.ts'
import type { WeightsSource } from './executable/weights.ts'
import { modelMetadata } from './executable/metadata.ts'
import { debugOptions, saveReproducer } from './executable/debug.ts'
import { checkModel, type Model } from './ir/model.ts'
import { EffuseError } from './ir/diagnostics.ts'
import { initialValues } from './ir/initializers.ts'
import { variablesOf } from './ir/graph.ts'
import { sameType, showType, type Graph, type Type } from './ir/types.ts'
import type { Signature } from './ir/value.ts'
import { derivedPrefix } from './passes/hoist-prepare.ts'
import type { AmpSettings } from './passes/mixed-precision/options.ts'
import { graphsOf, type Program, programOf } from './passes/program.ts'
import { accumulatedSteps } from './passes/train/accumulate.ts'
import { checkedPipeline } from './passes/pipeline.ts'
import { inferencePipeline, trainingPipeline } from './passes/pipelines.ts'
import { stepOptionsOf, trainedModelOf } from './passes/train/step.ts'
import { type PassRecord, runPipeline } from './passes/runner.ts'

/**
 * Compiles a model for a backend and gives what runs it.
 *
 * @param model What graph(), efficientNet() and their kind return.
 * @throws EffuseError EF403 (options), EF404 (backend not available), EF405 (op not supported), EF303 (a pass failed), EF505 (weights).
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
  // Held from the call on: the other executable may be disposed of while this one is being compiled.
  const shared = handleOf(options.variables)
  if (shared !== null) holdStore(shared)
  try {
    const { backend, reason, isOwned } = await selectBackend(options.backend ?? 'auto')
    try {
      return await compileFor(model, options, backend, reason, isOwned)
    } catch (error) {
      if (isOwned) backend.dispose()
      throw error
    }
  } finally {
    if (shared !== null) releaseStore(shared)
  }
}

const compileFor = async <I extends Signature, O extends Signature>(
  model: Model<I, O>,
  options: CompileOptions,
  backend: Backend,
  backendReason: string,
  ownsBackend: boolean,
): Promise<Executable<I, O>> => {
  const amp = ampRequest(options.amp)
  const engine = engineFor(backend, amp)
  const { declared, program, records, specs, steps } = planFor(model, options, engine, amp?.settings ?? null)
  const seed = options.seed ?? 0
  const handle = await variablesFor(backend, specs, options.variables, seed)
  const derived = backend.createStore()
  const close: (() => void)[] = [() => derived.dispose(), () => releaseStore(handle)]
  try {
    const all = new Map(specsOf(graphsOf(program)).map((spec) => [spec.name, spec]))
    const runnable = await engine.compile(program, {
      bind: (name) => bindingOf(all.get(name) as VariableSpec, handle, derived, seed), // backends ask for the program's own
      signal: options.signal,
      onProgress: options.onProgress,
    })
    close.unshift(() => runnable.dispose())
    const variables = makeVariables({ ...handle, specs }, modelMetadata(model))
    if (options.variables !== undefined && handleOf(options.variables) === null)
      await variables.load(options.variables as WeightsSource)
    const parts = {
      name: model.name,
      backend,
      backendReason,
      ownsBackend,
      runnable,
      program,
      declared,
      handle,
      derived,
    }
    return makeExecutable<I, O>({ ...parts, variables, records, seed, steps, amp: ampFigures(records, backend) })
  } catch (error) {
    // Nothing of a failed compilation stays on the device.
    for (const dispose of close) dispose()
    throw error
  }
}

interface Planned {
  readonly declared: Graph
  readonly program: Program
  readonly records: readonly PassRecord[]
  readonly specs: ReadonlyMap<string, VariableSpec>
  readonly steps: number
}

/** The declared graph and what the pipeline makes of it, with the variables that users see. */
const planFor = (model: Model, options: CompileOptions, engine: Engine, amp: AmpSettings | null): Planned => {
  options.signal?.throwIfAborted()
  const training = withEnvironmentScale(stepOptionsOf(model))
  if (training !== null && options.batch === undefined) throw missingBatch(model.name)
  const declared = model.at({ batch: options.batch ?? 1 })
  const xla = options.xla ?? true
  const { simplify = true, fusion = true } = typeof xla === 'boolean' ? { simplify: xla, fusion: xla } : xla
  const switches = { simplify, fusion, amp }
  const standard =
    training === null ? inferencePipeline(engine, switches) : trainingPipeline(engine, switches, training)
  const { verify, debug } = debugOptions()
  const pipeline =
    options.passes === undefined
      ? standard
      : checkedPipeline(options.passes(standard), 'the option "passes" of compile()')
  const { program, records } = runPipeline(pipeline, programOf(declared, model.name), {
    target: engine.target,
    verify: options.verify ?? verify,
    checkMeaning: options.verify,
    debug,
    saveReproducer,
  })
  options.signal?.throwIfAborted()
  // A training step has the variables that its loss does not reach, too, and its passes add some: slots, averages, the step.
  const whole = trainedModelOf(model)?.at({ batch: options.batch ?? 1 }) ?? declared
  const own = specsOf([whole, declared, ...(training === null ? [] : graphsOf(program))]).filter(
    (spec) => !spec.derived,
  )
  const byName = new Map(own.map((spec) => [spec.name, spec]))
  return { declared, program, records, specs: byName, steps: accumulatedSteps(pipeline) }
}

const missingBatch = (name: string): EffuseError =>
  new EffuseError({
    code: 'EF403',
    message: `${name} is a training step and needs the option "batch": its statistics depend on it`,
    hint: 'compile(step, { batch: 32 })',
  })

/** The variables of some graphs, each once, in canonical order. */
const specsOf = (graphs: readonly Graph[]): readonly VariableSpec[] => {
  const specs = new Map<string, VariableSpec>()
  for (const graph of graphs) {
    for (const {
      attrs,
      types: [type],
    } of variablesOf(graph)) {
      if (type !== undefined)
        specs.set(attrs.name, {
          name: attrs.name,
          type,
          trainable: attrs.trainable,
          init: attrs.init,
          derived: attrs.name.startsWith(derivedPrefix),
        })
    }
  }
  return [...specs.values()]
}

/** A store of its own, another executable's on the same backend, or one filled with copies from another backend. */
const variablesFor = async (
  backend: Backend,
  specs: ReadonlyMap<string, VariableSpec>,
  source: Variables | WeightsSource | undefined,
  seed: number,
): Promise<VariablesHandle> => {
  const other = handleOf(source)
  if (other === null)
    return {
      backend,
      store: declareAll(backend.createStore(), specs, seed),
      specs,
      nameOf: sameName,
      users: { count: 1 },
    }
  checkShared(specs, other)
  if (other.backend === backend) {
    holdStore(other)
    return { ...other, store: declareAll(other.store, specs, seed, other.nameOf) }
  }
  const store = declareAll(backend.createStore(), specs, seed)
  for (const name of specs.keys())
    if (other.store.has(other.nameOf(name))) await store.set(name, await other.store.get(other.nameOf(name)))
  return { backend, store, specs, nameOf: sameName, users: { count: 1 } }
}

/** Adds what the store does not have yet, under the names that it uses. */
const declareAll = (
  store: Store,
  specs: ReadonlyMap<string, VariableSpec>,
  seed: number,
  nameOf: VariablesHandle['nameOf'] = sameName,
): Store => {
  for (const spec of specs.values()) declare(store, nameOf(spec.name), spec, seed)
  return store
}

const sameName = (name: string): string => name

const declare = (store: Store, as: string, { name, type, init }: VariableSpec, seed: number): void => {
  if (!store.has(as))
    store.declare(as, type, () => hostArrayOf(type.dtype, initialValues(init, type.shape, { seed, name })))
}

/** What is missing there starts at its initial value, as slots and averages do; where all is, the variables are another model's. */
const checkShared = (specs: ReadonlyMap<string, VariableSpec>, other: VariablesHandle): void => {
  const names = [...specs.keys()]
  if (names.length > 0 && !names.some((name) => other.store.has(other.nameOf(name))))
    throw new EffuseError({
      code: 'EF408',
      message: `the variables given are of another model: it has none of ${names.slice(0, 3).join(', ')}${names.length > 3 ? ' …' : ''}, but ${[...other.specs.keys()].slice(0, 3).join(', ')}${other.specs.size > 3 ? ' …' : ''}`,
    })
  const differences: string[] = []
  for (const { name, type } of specs.values()) {
    const theirs: Type | null = other.store.typeOf(other.nameOf(name))
    if (theirs !== null && !sameType(theirs, type))
      differences.push(`"${name}" is ${showType(type)} here and ${showType(theirs)} there`)
  }
  if (differences.length > 0)
    throw new EffuseError({
      code: 'EF408',
      message: `the variables cannot be shared: ${differences.slice(0, 10).join('; ')}${differences.length > 10 ? ` and ${differences.length - 10} more` : ''}`,
    })
}

const bindingOf = (spec: VariableSpec, handle: VariablesHandle, derived: Store, seed: number): Binding => {
  const binding = spec.derived
    ? { store: derived, name: spec.name }
    : { store: handle.store, name: handle.nameOf(spec.name) }
  declare(binding.store, binding.name, spec, seed)
  return binding
}
