/** A compiled program with its variables: the result of compile(). Runs queue in call order. */
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
   * Runs once. For a step that accumulates gradients, each run is one micro-batch. Every n-th run also makes the update: it sets `updated`, and
   * its `learningRate`, `lossScale` and `finite` are those of the update. A feed may still be in computation, for example a tensor of another
   * backend. Later runs on the same variables then wait for it. A feed that itself waits for a later run never ends.
   * @throws EffuseError EF401, EF402 (feeds), EF406 (disposed of), EF410 (device lost)
   */
  run(inputs: Feeds<I>): Promise<Results<O>>
  readonly variables: Variables
  /**
   * Number of runs so far, including micro-batches, skipped steps and profile(), without failed runs: the position in the random streams. A new
   * value applies to later calls, so that training that resumes from a checkpoint draws the same numbers as without the interruption.
   * @throws EffuseError EF403
   */
  runIndex: number
  /** What each pass did, in order. */
  readonly passes: readonly PassRecord[]
  /** What the passes did with a node of the model (given by path or by name in the last graph), and why. */
  explain(pathOrNode: string): Explanation
  /** Of one run with all its steps: the sum of `micro` and `apply` if gradients accumulate. */
  readonly plan: PlanFigures
  /** The casts of mixed precision, and the proof that fewer are impossible. Null without mixed precision. */
  readonly amp: AmpFigures | null
  /** Name of the backend in use. */
  readonly backend: string
  /** Why this backend was chosen. */
  readonly backendReason: string
  /** Time of each step of one run. It is an ordinary run: it updates variables and counts, and every n-th makes the update. */
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
  /** The store's name of a variable of the program. */
  readonly nameOf: (variable: string) => string
  /** Removes the derived values of this program from the store. */
  readonly releaseDerived: () => void
  readonly variables: Variables
  readonly records: readonly PassRecord[]
  readonly seed: number
  readonly amp: AmpFigures | null
}

/** The executable for typed inputs and outputs; the types are those of the model, which its declaration checked. */
export const makeExecutable = <I extends Signature, O extends Signature>(parts: ExecutableParts): Executable<I, O> => {
  const { runnable, handle, backend } = parts
  const dueSteps = makeDueSteps(parts.program, parts.nameOf)
  const inputs = inputTypes(parts.declared)
  /** A run takes the numbering when it is called and its number when its turn begins. */
  let numbering = { next: 0 }
  let isDisposed = false

  /** Frees without waiting. The memory of a lost device is already gone. */
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
   * Takes a turn on the variables at the call. The run reads and writes variables only in this turn, so no other work comes between. Feeds are
   * copied at the call too, so the caller may reuse their arrays. A wrong feed is an error at once, even if earlier runs are waiting. Runs that
   * were called before dispose() still run.
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
      // Only after the run, because it may still read them.
      void result
        .catch(() => {})
        .then(() => feeds.then(releaseFeeds, () => {}))
        .catch(noteUnfreed)
    }
  }
  const run = (given: { readonly [name: string]: unknown }): Promise<{ readonly [name: string]: Result }> =>
    enqueue(given, async (...turn) => {
      const results = await runnable.run(...turn)
      return Object.fromEntries([...results].map(([name, tensor]) => [name, makeResult(name, tensor, backend)]))
    })
  const dispose = (): void => {
    if (isDisposed) return
    isDisposed = true
    // In a turn, because a run in progress still needs the buffers.
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
      // Waiting runs keep the numbering that was set when they were called.
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
