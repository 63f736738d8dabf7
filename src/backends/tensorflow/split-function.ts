/** A function that computes a batch in parts, all at the same time. */
import { invariant } from '../../ir/diagnostics.ts'
import { sameShape, type Type } from '../../ir/types.ts'
import { attr } from './attributes.ts'
import { FunctionBuilder } from './function-builder.ts'
import { functionConfig } from './function-config.ts'
import { concatenated, sliced } from './lower/movement.ts'
import type { LoweredGraph, Operand } from './lower-graph.ts'
import type { FunctionDef } from './proto/tensorflow_pb.ts'
import type { TfValue } from './types.ts'

/**
 * A function with the operands and outputs of `whole`. It slices operands along the axis of the examples, calls `called` for each part, and joins the
 * results.
 *
 * @param part The lowered graph of a part. Its operands and outputs are those of `whole`, with fewer examples.
 *
 * @param called The name of its function.
 */
export const splitFunction = (
  name: string,
  whole: LoweredGraph,
  part: LoweredGraph,
  parts: number,
  called: string,
): FunctionDef => {
  const f = new FunctionBuilder(name)
  const operands = part.operands.map((operand, at) => {
    const x = f.argument(typeOf(whole.operands[at]))
    return slices(x, typeOf(operand).shape, parts, f)
  })
  const types = part.outputs.map(({ type }) => type)
  const results = Array.from({ length: parts }, (_, at) => {
    const inputs = operands.map((slicesOf) => slicesOf[at] as TfValue) // one for each part
    const attrs = {
      Tin: attr.types(inputs.map(({ dtype }) => dtype)),
      Tout: attr.types(types.map(({ dtype }) => dtype)),
      f: attr.func(called),
      config_proto: attr.bytes(functionConfig),
    }
    return f.ops('PartitionedCall', inputs, attrs, types)
  })
  for (const [at, { type }] of whole.outputs.entries()) {
    const values = results.map((of) => of[at] as TfValue) // one for each output
    const axis = axisOf(type.shape, types[at]?.shape ?? [])
    f.result(axis < 0 ? (values[0] as TfValue) : concatenated(values, axis, type, f))
  }
  return f.finish()
}

const typeOf = (operand: Operand | undefined): Type => {
  invariant(operand !== undefined && operand.kind !== 'run', () => 'a part has the operands of the whole batch')
  return operand.type
}

/** The axis of the examples; -1 if a part has the whole tensor. */
const axisOf = (whole: readonly number[], part: readonly number[]): number =>
  whole.findIndex((size, axis) => size !== part[axis])

const slices = (x: TfValue, shape: readonly number[], parts: number, f: FunctionBuilder): readonly TfValue[] => {
  if (sameShape(x.shape, shape)) return Array.from({ length: parts }, () => x)
  const axis = axisOf(x.shape, shape)
  return Array.from({ length: parts }, (_, at) => {
    const starts = shape.map((size, i) => (i === axis ? at * size : 0))
    const limits = shape.map((size, i) => (i === axis ? (at + 1) * size : size))
    return sliced(x, { starts, limits, strides: shape.map(() => 1) }, f)
  })
}
