/**
 * A form of a function for batches: it runs in the context of one-thread-context.ts and computes parts of the batch at the same time, by kernels with one
 * thread each. Work that is divided among threads inside each kernel has to be handed over and waited for, for each convolution again.
 */
import { invariant } from '../../ir/diagnostics.ts'
import { batchPart } from '../../passes/batch-part.ts'
import { attr } from './attributes.ts'
import type { Pointer } from './c-api.ts'
import type { TensorflowContext } from './context.ts'
import { TensorflowFailure } from './errors.ts'
import { argumentNames, renamedFunction, withKeptFilters } from './kept-filters.ts'
import { type LoweredGraph, lowerGraph, type LowerOptions } from './lower-graph.ts'
import { type OneThreadContext, sharedHandle, sharedHandles } from './one-thread-context.ts'
import type { FunctionDef } from './proto/tensorflow_pb.ts'
import { splitFunction } from './split-function.ts'

/** How a graph can be split. */
export interface Split {
  readonly whole: LoweredGraph
  readonly part: LoweredGraph
  readonly parts: number
  readonly context: TensorflowContext
}

/** Null if the graph has no batch that can be divided among the threads, or no convolution that keeps its filter. */
export const splitOf = (whole: LoweredGraph, oneThread: OneThreadContext, options: LowerOptions): Split | null => {
  const parts = oneThread.threads
  const found = whole.isBrief ? null : batchPart(whole.graph, parts)
  if (found === null) return null
  const part = lowerGraph(found.graph, `${whole.name}_part`, options)
  if (keptOf(part, part.name) === null) return null
  try {
    return { whole, part, parts, context: oneThread.get() }
  } catch (error) {
    if (error instanceof TensorflowFailure) return null // the graph runs without a second context, too
    throw error
  }
}

const plainOf = ({ functions }: LoweredGraph, name: string): FunctionDef =>
  renamedFunction(functions.at(-1) as FunctionDef, name) // the function to call

const keptOf = (lowered: LoweredGraph, name: string): FunctionDef | null => {
  const plain = lowered.functions.at(-1) as FunctionDef // the function to call
  return withKeptFilters(plain, name, argumentNames(lowered, 'variable'))
}

/** For explain(). */
export const splitNote = ({ whole: { graph }, parts }: Split): string =>
  `${graph.name}: ${parts} equal parts of the batch are computed at the same time, by kernels with one thread each; interOpThreads: 1 switches it off`

export class SplitForm {
  readonly #context: TensorflowContext
  readonly #split: Split
  readonly #name: string
  /** The name of the function of a part. */
  readonly #part: string
  /** Handles of operands that are the same in each call, by their position. */
  readonly #kept = new Map<number, Pointer>()

  /**
   * @param name No other function of the context may have it.
   *
   * @param keepsFilters Convolutions keep the filters of the first call.
   *
   * @param context That of the operands and results.
   *
   * @throws TensorflowFailure
   */
  constructor(split: Split, name: string, keepsFilters: boolean, context: TensorflowContext) {
    this.#context = context
    this.#split = split
    this.#name = name
    this.#part = `${name}_part`
    const part = keepsFilters ? keptOf(split.part, this.#part) : plainOf(split.part, this.#part)
    invariant(part !== null, () => 'splitOf() has made this form')
    // Otherwise TensorFlow would copy the function into its caller, once for each part, and each copy would keep filters.
    part.attr['_noinline'] = attr.bool(true)
    split.context.addFunction(part)
    try {
      split.context.addFunction(splitFunction(name, split.whole, split.part, split.parts, this.#part))
    } catch (error) {
      split.context.removeFunction(this.#part)
      throw error
    }
  }

  /** The results are those of a call of the plain function. @throws TensorflowFailure */
  async call(handles: readonly Pointer[]): Promise<readonly Pointer[]> {
    const { context, whole } = this.#split
    const own: Pointer[] = []
    try {
      const operands = handles.map((handle, at) => {
        const known = this.#kept.get(at)
        if (known !== undefined) return known
        const shared = sharedHandle(handle, this.#context, context)
        if (whole.operands[at]?.kind === 'input') own.push(shared)
        else this.#kept.set(at, shared)
        return shared
      })
      const results = await context.call(this.#name, operands, whole.outputs.length)
      own.push(...results)
      return sharedHandles(results, context, this.#context)
    } finally {
      for (const handle of own) context.free(handle)
    }
  }

  /** Call before the first call with other variables. The form must not keep filters. */
  forgetVariables(): void {
    for (const handle of this.#kept.values()) this.#split.context.free(handle)
    this.#kept.clear()
  }

  dispose(): void {
    const { context } = this.#split
    for (const name of [this.#name, this.#part]) context.removeFunction(name)
    this.forgetVariables()
  }
}
