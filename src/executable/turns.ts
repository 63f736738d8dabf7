/**
 * One turn of an executable: the plan `run`; or, of a step that accumulates gradients, the plan `micro`, and after every n-th of them the
 * plan `apply`. The position is the variable `accumulate/count`. The host keeps it in mind, and reads it only where somebody else may have
 * changed the variables since the last turn.
 */
import type { DeviceTensor, FeedTensor, ProfileRow, RunContext, Runnable } from '../backends/backend.ts'
import { EffuseError } from '../ir/diagnostics.ts'
import { findGraph, mainStep, type Program } from '../passes/program.ts'
import { accumulateNames, applyStep, microStep } from '../passes/train/accumulate.ts'
import type { VariablesHandle } from './variables.ts'

type Feeds = ReadonlyMap<string, FeedTensor>
type Tensors = ReadonlyMap<string, DeviceTensor>

/** Calls come one after another. `onRan`: the feeds and the random numbers of `at` have done what they do, whatever fails afterwards. */
export interface Turns {
  run(feeds: Feeds, at: RunContext, onRan: () => void): Promise<Tensors>
  /** A turn like any other, timed: what it updates stays. */
  profile(feeds: Feeds, at: RunContext, onRan: () => void): Promise<readonly ProfileRow[]>
}

export interface TurnParts {
  readonly program: Program
  readonly runnable: Runnable
  readonly handle: VariablesHandle
  /** Micro-batches for each update. */
  readonly steps: number
}

export const makeTurns = (parts: TurnParts): Turns => {
  const { program, runnable } = parts
  if (findGraph(program, applyStep) === undefined) {
    const whole = async <T>(work: Promise<T>, onRan: () => void): Promise<T> => {
      const value = await work
      onRan()
      return value
    }
    return {
      run: (feeds, at, onRan) => whole(runnable.run(mainStep, feeds, at), onRan),
      profile: (feeds, at, onRan) => whole(runnable.profile(mainStep, feeds, at), onRan),
    }
  }
  const turn = accumulatingTurn(parts)
  const nothing: Feeds = new Map()
  return {
    run: async (feeds, at, onRan) => {
      const { micro, apply } = await turn(
        (plan) => runnable.run(plan, plan === microStep ? feeds : nothing, at),
        onRan,
        (tensors) => tensors.forEach((tensor) => tensor.dispose()),
      )
      return apply === null ? micro : merged(micro, apply)
    },
    profile: async (feeds, at, onRan) => {
      const { micro, apply } = await turn(
        (plan) => runnable.profile(plan, plan === microStep ? feeds : nothing, at),
        onRan,
        () => {},
      )
      return [...micro, ...(apply ?? [])]
    },
  }
}

/** What a micro-batch gave, and the update where there was one. */
interface Turn<T> {
  readonly micro: T
  readonly apply: T | null
}

/** Of a turn that fails half-way, what is done stays done and counted, and `drop` takes the results. */
const accumulatingTurn = ({ handle: { store, nameOf }, steps }: TurnParts) => {
  const name = nameOf(accumulateNames.count)
  let known = { count: 0, version: -1 }
  const count = async (): Promise<number> => {
    const { version } = store
    if (known.version !== version) known = { count: checkedCount((await store.get(name))[0], steps), version }
    return known.count
  }
  const counted = async <T>(work: Promise<T>, next: number): Promise<T> => {
    const value = await work
    known = { count: next, version: store.version }
    return value
  }
  return async <T>(
    work: (plan: 'micro' | 'apply') => Promise<T>,
    onRan: () => void,
    drop: (value: T) => void,
  ): Promise<Turn<T>> => {
    // An update that failed after its last micro-batch is made up for.
    let apply = (await count()) === steps ? await counted(work('apply'), 0) : null
    let micro: T | null = null
    try {
      const done = await count()
      micro = await counted(work('micro'), done + 1)
      onRan()
      if (done + 1 === steps) apply = await counted(work('apply'), 0)
      return { micro, apply }
    } catch (error) {
      for (const value of [apply, micro]) if (value !== null) drop(value)
      throw error
    }
  }
}

const checkedCount = (count: number | undefined, steps: number): number => {
  if (count !== undefined && count >= 0 && count <= steps) return count
  throw new EffuseError({
    code: 'EF408',
    message: `the variable "${accumulateNames.count}" is ${count}; this step makes an update of ${steps} micro-batches`,
    hint: `a file of a step that accumulates more of them is loaded with { except: '${accumulateNames.prefix}**' }`,
  })
}

/** What the update tells of learning rate, loss scale and flags counts; the micro-batch's own goes. */
const merged = (micro: Tensors, apply: Tensors): Tensors => {
  for (const name of apply.keys()) micro.get(name)?.dispose()
  return new Map([...micro, ...apply])
}
