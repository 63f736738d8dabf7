/** A compiled program with its variables: what compile() gives. Runs queue in call order. */
import type {
  Backend,
  FeedTensor,
  PlanFigures,
  ProfileRow,
  RunContext,
  Runnable,
  StoreTurn,
} from '../backends/backend.ts'
import { EffuseError, showGiven } from '../ir/diagnostics.ts'
import { inputTypes, typeOf } from '../ir/graph.ts'
import { shownAs, showTypes } from '../ir/shown.ts'
import type { Graph } from '../ir/types.ts'
import type { Signature } from '../ir/value.ts'
import type { Program } from '../passes/program.ts'
import type { PassRecord } from '../passes/runner.ts'
import type { AmpFigures } from './amp.ts'
import { explainNode, type Explanation } from './explain.ts'
import { ensureDevice, isLost, onDevice } from './device-loss.ts'
import { makeDueSteps } from './due-steps.ts'
import { prepareFeeds, releaseFeeds, type Feeds } from './feeds.ts'
import { makeResult, type Result, type Results } from './results.ts'
import { releaseStore, type Variables, type VariablesHandle } from './variables.ts'

export interface Executable<I extends Signature = Signature, O extends Signature = Signature> extends Disposable {
  /**
   * Runs once. Of a step that accumulates, each run is one micro-batch; every n-th also makes the update, tells so in `updated`, and its
   * `learningRate`, `lossScale` and `finite` are the update's. A feed that is still being computed, a tensor of another backend say, keeps the
   * runs that were called later on the same variables waiting; one that itself waits for such a run would never end. @throws EffuseError EF401, EF402 (feeds), EF406 (disposed of), EF410 (device lost)
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
  readonly runnable: Runnable
  readonly program: Program
  readonly declared: Graph
  readonly handle: VariablesHandle
  /** What the store calls a variable of the program. */
  readonly nameOf: (variable: string) => string
  /** Takes the values derived for this program out of the store. */
  readonly releaseDerived: () => void
  readonly variables: Variables
  readonly records: readonly PassRecord[]
  readonly seed: number
  readonly amp: AmpFigures | null
}

/** The executable for typed inputs and outputs; the types are the model's and were checked when it was declared. */
export const makeExecutable = <I extends Signature, O extends Signature>(parts: ExecutableParts): Executable<I, O> => {
  const { runnable, handle, backend } = parts
  const dueSteps = makeDueSteps(parts.program, parts.nameOf)
  const inputs = inputTypes(parts.declared)
  /** A run takes the numbering at its call and the number at its turn. */
  let numbering = { next: 0 }
  let isDisposed = false

  /** Nobody waits for what is freed. What a lost device held is gone with it. */
  const noteUnfreed = (error: unknown): void => {
    if (!isLost(backend))
      console.warn(`effuse: ${backend.name} could not free what "${parts.name}" held: ${String(error)}`)
  }
  const ensureUsable = (): void => {
    if (isDisposed)
      throw new EffuseError({
        code: 'EF406',
        message: `the executable of "${parts.name}" was disposed of`,
        hint: 'compile the model again',
      })
    ensureDevice(backend)
  }
  /**
   * A turn on the variables, taken at the call: all that a run reads and writes of them happens in it, so nothing comes between. Feeds are
   * copied at the call too, so the caller may reuse their arrays. A wrong feed is an error at once, whatever runs before. What was called before
   * dispose() still runs.
   */
  const enqueue = async <T>(
    given: { readonly [name: string]: unknown },
    work: (
      turn: StoreTurn,
      steps: readonly string[],
      feeds: ReadonlyMap<string, FeedTensor>,
      at: RunContext,
    ) => Promise<T>,
  ): Promise<T> => {
    ensureUsable()
    const feeds = prepareFeeds(given, inputs, backend)
    const numbers = numbering
    const result = handle.store.turn((turn) =>
      onDevice(backend, async () => {
        const prepared = await feeds
        const steps = await dueSteps.of(turn)
        const value = await work(turn, steps, prepared, { seed: parts.seed, runIndex: numbers.next, replica: 0 })
        dueSteps.ran(turn)
        numbers.next++
        return value
      }),
    )
    try {
      const [value] = await Promise.all([result, feeds])
      return value
    } finally {
      // After the run: it may still read them.
      void result
        .catch(() => {})
        .then(() => feeds.then(releaseFeeds, () => {}))
        .catch(noteUnfreed)
    }
  }
  const run = (given: { readonly [name: string]: unknown }): Promise<{ readonly [name: string]: Result }> =>
    enqueue(given, async (...turn) => {
      const results = await runnable.run(...turn)
      return Object.fromEntries([...results].map(([name, tensor]) => [name, makeResult(name, tensor)]))
    })
  const dispose = (): void => {
    if (isDisposed) return
    isDisposed = true
    // In turn: a run under way still needs the buffers.
    void handle.store.turn(() => runnable.dispose()).catch(noteUnfreed)
    parts.releaseDerived()
    releaseStore(handle)
  }
  const line = (): string => {
    const what = `Executable "${parts.name}" on ${backend.name}${isDisposed ? ', disposed of' : ''}`
    return `${what}: ${signatureText(parts.declared)}; await executable.run({ … }) gives results`
  }
  const executable = {
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
    profile: (given: Feeds<I>) => enqueue(given, (...turn) => runnable.profile(...turn)),
    dispose,
    [Symbol.dispose]: dispose,
  }
  return Object.freeze(shownAs(executable, line))
}

const signatureText = (graph: Graph): string => {
  const inputs = [...inputTypes(graph)].map(([name, type]) => ({ name, ...type }))
  const outputs = graph.outputs.map(({ name, value }) => ({ name, ...typeOf(graph, value) }))
  return `${showTypes(inputs)} -> ${showTypes(outputs)}`
}
