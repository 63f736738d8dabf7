/**
 * How a graph is computed in parts at the same time: equal parts of a batch, or, if there are fewer examples than threads, parts of the rows of images.
 * Convolutions of single images are so short that handing their work over to other threads takes as long as the work.
 */
import { costOf } from '../../ir/cost.ts'
import { invariant } from '../../ir/diagnostics.ts'
import { batchPart } from '../../passes/batch-part.ts'
import { spatialPartition } from '../../passes/spatial-partition.ts'
import { attr } from './attributes.ts'
import type { TensorflowContext } from './context.ts'
import { TensorflowFailure } from './errors.ts'
import { calledFunction, keptForm, renamedFunction } from './kept-filters.ts'
import { type LoweredGraph, lowerGraph, type LowerOptions } from './lower-graph.ts'
import type { OneThreadContext } from './one-thread-context.ts'
import type { FunctionDef } from './proto/tensorflow_pb.ts'
import { smallBatch, smallImages } from './small-work.ts'
import { splitFunction } from './split-function.ts'

export interface Split {
  readonly whole: LoweredGraph
  /** Where the functions run. */
  readonly context: TensorflowContext
  readonly oneThread: OneThreadContext
  /** For each operand of the function to call: its position among the operands of `whole`. */
  readonly order: readonly number[]
  /** For explain(). */
  readonly note: string
  /**
   * New functions. The last one is the function to call.
   *
   * @param name That of the function to call. The names of the others begin with it.
   *
   * @param keepsFilters Convolutions keep the filters of the first call.
   */
  functions(name: string, keepsFilters: boolean): readonly FunctionDef[]
}

/** Rows are divided among so many threads at most. More were not measured; with more, edges of parts are a larger share of the work. */
const rowPartsMax = 4

/** Null if there are no parts that can be computed at the same time, or no convolution that keeps its filter. */
export const splitOf = (whole: LoweredGraph, oneThread: OneThreadContext, options: LowerOptions): Split | null => {
  if (whole.isBrief) return null
  const { threads } = oneThread
  if (threads < 2) return null
  const split = splitFor(whole, threads, options)
  if (split === null) return null
  try {
    return { ...split, whole, context: oneThread.get(), oneThread }
  } catch (error) {
    if (error instanceof TensorflowFailure) return null // the graph runs without a second context, too
    throw error
  }
}

const splitFor = (whole: LoweredGraph, threads: number, options: LowerOptions): Parts | null => {
  const work = costOf(whole.graph).multiplyAdds
  if (work < smallBatch) return onOneThread(whole)
  const split = batchSplit(whole, threads, options)
  if (split !== null) return split
  return work < smallImages ? onOneThread(whole) : rowSplit(whole, threads, options)
}

const onOneThread = (whole: LoweredGraph): Parts | null =>
  keptForm(whole, whole.name) === null
    ? null
    : {
        order: whole.operands.map((_, at) => at),
        note: `${whole.graph.name}: one thread computes it, because it is small; interOpThreads: 1 switches it off`,
        functions: (name, keepsFilters) => [formOf(whole, name, keepsFilters)],
      }

type Parts = Omit<Split, 'whole' | 'context' | 'oneThread'>

const batchSplit = (whole: LoweredGraph, parts: number, options: LowerOptions): Parts | null => {
  const graph = batchPart(whole.graph, parts)?.graph
  if (graph === undefined) return null
  const part = lowerGraph(graph, `${whole.name}_part`, options)
  if (keptForm(part, part.name) === null) return null
  return {
    order: whole.operands.map((_, at) => at), // the nodes of a part have the same ids
    note: `${graph.name}: ${parts} equal parts of the batch are computed at the same time, by kernels with one thread each; interOpThreads: 1 switches it off`,
    functions: (name, keepsFilters) => {
      const called = formOf(part, `${name}_part`, keepsFilters)
      // Otherwise TensorFlow would copy the function into its caller, once for each part, and each copy would keep filters.
      called.attr['_noinline'] = attr.bool(true)
      return [called, splitFunction(name, whole, part, parts, `${name}_part`)]
    },
  }
}

const rowSplit = (whole: LoweredGraph, parts: number, options: LowerOptions): Parts | null => {
  const graph = parts > rowPartsMax ? null : spatialPartition(whole.graph, parts)
  if (graph === null) return null
  const lowered = lowerGraph(graph, `${whole.name}_rows`, options)
  if (keptForm(lowered, lowered.name) === null) return null
  return {
    order: lowered.operands.map(({ node }) => whole.operands.findIndex((operand) => operand.node === node)),
    note: `${graph.name}: the rows of images are computed in ${parts} parts at the same time, by kernels with one thread each; interOpThreads: 1 switches it off`,
    functions: (name, keepsFilters) => [formOf(lowered, name, keepsFilters)],
  }
}

const formOf = (lowered: LoweredGraph, name: string, keepsFilters: boolean): FunctionDef => {
  const form = keepsFilters ? keptForm(lowered, name) : renamedFunction(calledFunction(lowered), name)
  invariant(form !== null, () => 'splitOf() has made this form')
  return form
}
