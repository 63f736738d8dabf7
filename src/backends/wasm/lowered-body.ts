/** Lowers bodies to kernels. Equal regions of a graph share the nodes of their bodies (passes/fusion/bodies.ts), so their body is lowered once. */
import { cachedByParts, type CacheByParts } from '../../ir/graph.ts'
import type { Graph } from '../../ir/types.ts'
import { kernelOf, type LoweredKernel } from '../codegen/kernel/from-graph.ts'
import { packOperands } from '../codegen/kernel/pack.ts'
import { splitReductions } from '../codegen/kernel/split-reduction.ts'
import { inPrimitives } from './bodies.ts'

export interface LoweredBody extends LoweredKernel {
  /** The kernel with its right operands packed, where packing is possible and `mayPack` allows it. */
  pack(mayPack: (buffer: number) => boolean): ReturnType<typeof packOperands>
}

/** @throws EffuseError EF405 where an op is not primitive */
export const makeLowering = (): ((body: Graph) => LoweredBody) => {
  const known: CacheByParts<LoweredBody> = new WeakMap()
  return (body) => cachedByParts(known, body, lowered)
}

const lowered = (body: Graph): LoweredBody => {
  const { kernel: whole, operands, results } = kernelOf(inPrimitives(body))
  const kernel = splitReductions(whole)
  const packed = new Map<string, ReturnType<typeof packOperands>>()
  return {
    kernel,
    operands,
    results,
    pack: (mayPack) => {
      const allowed = kernel.buffers.map(({ role }, buffer) => role === 'operand' && mayPack(buffer))
      const key = allowed.join()
      const form = packed.get(key) ?? packOperands(kernel, (buffer) => allowed[buffer] === true)
      packed.set(key, form)
      return form
    },
  }
}
