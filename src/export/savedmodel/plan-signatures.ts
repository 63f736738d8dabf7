/**
 * Decides which parts of programs a SavedModel contains: the steps that its signatures run, and its variables with their names.
 *
 * If no signature changes the sources of a derived value, the derived value itself is stored. Then calls need not compute it, and variables that are
 * used for nothing else are omitted.
 */
import type { HalfKernels } from '../../backends/tensorflow/half-kernels.ts'
import { type LoweredGraph, lowerGraph } from '../../backends/tensorflow/lower-graph.ts'
import type { HostArray } from '../../backends/backend.ts'
import type { TfType } from '../../backends/tensorflow/types.ts'
import { specsOf } from '../../executable/variable-spec.ts'
import { variablesOf } from '../../ir/graph.ts'
import type { Type } from '../../ir/types.ts'
import { derivedVariables, type GraphStep, graphSteps, traffic } from '../../passes/program.ts'
import type { CompiledSignature } from './compile-signatures.ts'
import type { SignaturePlan } from './signature.ts'
import type { StoredVariable } from './stored-variables.ts'

/** The source of the value of a stored variable. */
export type ValueSource =
  /** A variable of the store, by its name there. */
  | { readonly kind: 'store'; readonly name: string }
  /** Computed at export from variables of the store. */
  | { readonly kind: 'derived'; readonly by: Deriving; readonly update: number }
  | { readonly kind: 'constant'; readonly data: HostArray; readonly type: Type }
  | { readonly kind: 'number'; readonly value: number }

/** A step that runs once, for its updates. */
export interface Deriving {
  readonly lowered: LoweredGraph
  readonly nameOf: (variable: string) => string
}

export interface PlannedValue extends StoredVariable {
  readonly source: ValueSource
}

interface Start {
  readonly runIndex: number
  readonly seed: number
}

/** A program, with what is known about the kernels for its half types. */
export interface SignatureToPlan extends CompiledSignature {
  readonly halfKernels: HalfKernels
}

/** @throws EffuseError EF405 */
export const planSignatures = (
  compiled: readonly SignatureToPlan[],
  start: Start,
): { readonly signatures: readonly SignaturePlan[]; readonly values: readonly PlannedValue[] } => {
  const changed = new Set(compiled.flatMap(({ program }) => changedBy(graphSteps(program), program)))
  const values = new Map<string, PlannedValue>()
  const signatures = compiled.map((signature) => planSignature(signature, changed, start, values))
  return { signatures, values: [...values.values()] }
}

type Crossing = Parameters<typeof traffic>[1]

/** The variables that steps write, without derived ones. */
const changedBy = (steps: readonly GraphStep[], program: Crossing): readonly string[] =>
  steps.flatMap((step) => (step.when.kind === 'stale' ? [] : traffic(step, program).variablesWritten))

const planSignature = (
  { name: signature, program, nameOf, halfKernels }: SignatureToPlan,
  changed: ReadonlySet<string>,
  { runIndex, seed }: Start,
  values: Map<string, PlannedValue>,
): SignaturePlan => {
  const derived = derivedVariables(program)
  const steps = graphSteps(program)
  const isKept = ({ when, ...step }: GraphStep): boolean =>
    when.kind === 'stale' && !traffic({ when, ...step }, program).variablesRead.some((name) => changed.has(name))
  const kept = new Map<string, string>()
  const keep = (value: PlannedValue): void => {
    if (!values.has(value.name)) values.set(value.name, value)
  }
  for (const step of steps.filter(isKept)) {
    const lowered = lowerGraph(step.graph, functionName(signature, step.name), { halfKernels })
    const by: Deriving = { lowered, nameOf }
    const paths = new Map(variablesOf(step.graph).map(({ attrs, path }) => [attrs.name, path]))
    const free = freeNames(`.prepared/${signature}`)
    for (const [update, { name, type }] of lowered.updates.entries()) {
      const as = free(paths.get(name) ?? '')
      kept.set(name, as)
      keep({ name: as, type, trainable: false, source: { kind: 'derived', by, update } })
    }
  }
  const run = steps.filter((step) => !isKept(step))
  const lowered = new Map(
    run.map(({ name, graph }) => [name, lowerGraph(graph, functionName(signature, name), { halfKernels })]),
  )
  for (const { name, type, trainable } of specsOf(run.map(({ graph }) => graph)))
    if (!derived.has(name)) keep({ name, type, trainable, source: { kind: 'store', name: nameOf(name) } })
  const constantKeptAs = (step: string, at: number): string => `.constants/${signature}/${step}/${at}`
  const counter = `.runs/${signature}`
  for (const [step, { operands }] of lowered)
    for (const [at, operand] of operands.entries()) {
      if (operand.kind === 'run')
        keep({ name: counter, type: count, trainable: false, source: { kind: 'number', value: runIndex } })
      if (operand.kind !== 'constant') continue
      const { data, type } = operand
      keep({ name: constantKeptAs(step, at), type, trainable: false, source: { kind: 'constant', data, type } })
    }
  const keptAs = (name: string): string | null => kept.get(name) ?? (derived.has(name) ? null : name)
  return { name: signature, program, lowered, keptAs, constantKeptAs, counter, seed }
}

const count: TfType = { dtype: 'int64', shape: [] }

const functionName = (signature: string, step: string): string =>
  `effuse_${signature}_${step.replace(/[^A-Za-z0-9_]/g, '_')}`

/** Unique names for paths; several values may have the same path. */
const freeNames = (prefix: string): ((path: string) => string) => {
  const taken = new Set<string>()
  return (path) => {
    const wanted = `${prefix}/${path}`
    let name = wanted
    for (let i = 1; taken.has(name); i++) name = `${wanted}.${i}`
    taken.add(name)
    return name
  }
}
