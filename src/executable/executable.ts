/** A compiled program with its variables: what compile() gives. Runs queue in call order. */
import type { Backend, FeedTensor, PlanFigures, ProfileRow, RunContext, Runnable, Store } from '../backends/backend.ts'
import { EffuseError, showGiven } from '../ir/diagnostics.ts'
import { nodeAt } from '../ir/graph.ts'
import type { Graph, Type } from '../ir/types.ts'
import type { Signature } from '../ir/value.ts'
import { type Program, graphSteps } from '../passes/program.ts'
import type { PassRecord } from '../passes/runner.ts'
import type { AmpFigures } from './amp.ts'
import { explainNode, type Explanation } from './explain.ts'
import { prepareFeeds, type Feeds } from './feeds.ts'
import { makeResult, type Result, type Results } from './results.ts'
import { makeTurns } from './turns.ts'
import { releaseStore, type Variables, type VariablesHandle } from './variables.ts'

export interface Executable<I extends Signature = Signature, O extends Signature = Signature> extends Disposable {
  /**
   * Runs once. Of a step that accumulates, each run is one micro-batch; every n-th also makes the update, tells so in `updated`, and its
   * `learningRate`, `lossScale` and `finite` are the update's. @throws EffuseError EF401, EF402 (feeds), EF406 (disposed of)
   */
  run(inputs: Feeds<I>): Promise<Results<O>>
  readonly variables: Variables
  /**
   * Runs so far, micro-batches, skipped steps and profile() among them, not those that failed: the position in the random streams. Setting it
   * takes effect for the runs that are called afterwards, so that a training that goes on from a checkpoint draws the numbers that it would
   * have drawn. @throws EffuseError EF403
   */
  runIndex: number
  /** What each pass did, in order. */
  readonly passes: readonly PassRecord[]
  /** What became of a node of the model, by path or by name in the last graph, and why. */
  explain(pathOrNode: string): Explanation
  /** Of one run with all its steps: of `micro` and `apply` together where gradients accumulate. */
  readonly plan: PlanFigures
  /** What mixed precision came to: casts, and the proof that there are no fewer. Null: none was asked for. */
  readonly amp: AmpFigures | null
  /** Name of the backend in use. */
  readonly backend: string
  /** Why this backend. */
  readonly backendReason: string
  /** Time of each step of one run, which is a run like any other: it updates and counts, and every n-th makes the update. */
  profile(inputs: Feeds<I>): Promise<readonly ProfileRow[]>
  dispose(): void
}

export interface ExecutableParts {
  readonly name: string
  readonly backend: Backend
  readonly backendReason: string
  readonly ownsBackend: boolean
  readonly runnable: Runnable
  readonly program: Program
  readonly declared: Graph
  readonly handle: VariablesHandle
  readonly derived: Store
  readonly variables: Variables
  readonly records: readonly PassRecord[]
  readonly seed: number
  /** Micro-batches for each update of a training step. */
  readonly steps: number
  readonly amp: AmpFigures | null
}

/** The executable for typed inputs and outputs; the types are the model's and were checked when it was declared. */
export const makeExecutable = <I extends Signature, O extends Signature>(parts: ExecutableParts): Executable<I, O> => {
  const { runnable, program, handle, backend } = parts
  const prepares = graphSteps(program).filter(({ when }) => when.kind === 'stale')
  const turns = makeTurns(parts)
  const inputs = inputTypes(parts.declared)
  /** A run takes the numbering at its call and the number at its turn. */
  let numbering = { next: 0 }
  let preparedFor = -1
  let isDisposed = false
  let last: Promise<unknown> = Promise.resolve()

  /** One run after another, whatever became of the one before. */
  const queued = <T>(work: () => Promise<T>): Promise<T> => {
    const next = last.then(work, work)
    last = next.catch(() => {})
    return next
  }
  const ensureUsable = (): void => {
    if (isDisposed)
      throw new EffuseError({
        code: 'EF406',
        message: `the executable of "${parts.name}" was disposed of`,
        hint: 'compile the model again',
      })
  }
  const prepare = async (): Promise<void> => {
    if (prepares.length === 0 || preparedFor === handle.store.version) return
    const { version } = handle.store
    for (const { name } of prepares) await runnable.run(name, new Map(), { seed: parts.seed, runIndex: 0, replica: 0 }) // draws nothing
    preparedFor = version
  }
  /**
   * One place in the queue, taken at the call; feeds are copied then too, so the caller may reuse his arrays. A wrong feed is told at once,
   * whatever runs before. What was called before dispose() still runs.
   */
  const enqueue = async <T>(
    given: { readonly [name: string]: unknown },
    work: (feeds: ReadonlyMap<string, FeedTensor>, at: RunContext, onRan: () => void) => Promise<T>,
  ): Promise<T> => {
    ensureUsable()
    const feeds = prepareFeeds(given, inputs, backend)
    const numbers = numbering
    const result = queued(async () => {
      const prepared = await feeds
      await prepare()
      return work(prepared, { seed: parts.seed, runIndex: numbers.next, replica: 0 }, () => numbers.next++)
    })
    const [value] = await Promise.all([result, feeds])
    return value
  }
  const run = (given: { readonly [name: string]: unknown }): Promise<{ readonly [name: string]: Result }> =>
    enqueue(given, async (...turn) => {
      const results = await turns.run(...turn)
      return Object.fromEntries([...results].map(([name, tensor]) => [name, makeResult(name, tensor, backend)]))
    })
  const dispose = (): void => {
    if (isDisposed) return
    isDisposed = true
    // A run under way still needs the buffers.
    void last.then(() => {
      runnable.dispose()
      parts.derived.dispose()
      releaseStore(handle)
      if (parts.ownsBackend && handle.users.count === 0) backend.dispose()
    })
  }
  return Object.freeze({
    run: run as unknown as Executable<I, O>['run'], // names and types were checked against the model's signature
    variables: parts.variables,
    get runIndex() {
      return numbering.next
    },
    set runIndex(next: number) {
      if (!Number.isSafeInteger(next) || next < 0)
        throw new EffuseError({
          code: 'EF403',
          message: `runIndex must be an integer of at least 0, got ${showGiven(next)}`,
          hint: 'it counts runs: set what runIndex was when the checkpoint was written',
        })
      // Runs that wait in the queue keep the numbers that they were called with.
      numbering = { next }
    },
    passes: parts.records,
    explain: (pathOrNode: string) => explainNode(pathOrNode, parts),
    plan: runnable.plan,
    amp: parts.amp,
    backend: backend.name,
    backendReason: parts.backendReason,
    profile: (given: Feeds<I>) => enqueue(given, turns.profile),
    dispose,
    [Symbol.dispose]: dispose,
  })
}

/** Types by input name, in signature order. */
const inputTypes = (graph: Graph): ReadonlyMap<string, Type> =>
  new Map(
    graph.inputs.flatMap((id) => {
      const node = nodeAt(graph, id)
      const [type] = node.types
      return node.op === 'input' && type !== undefined ? [[node.attrs.name, type] as const] : []
    }),
  )
