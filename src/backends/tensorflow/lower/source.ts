/** Ops without operands. Inputs, variables and constants are not here, because lower-graph.ts handles them. */
import type { SourceOps } from '../../../ir/signatures.ts'
import { elements } from '../../../ir/types.ts'
import { attr } from '../attributes.ts'
import type { LowerFunction } from '../lowering.ts'

/** The maximum of elements of a literal. For more elements TensorFlow computes them. */
const literalMax = 1024

const lowerIota: LowerFunction<'iota'> = ({ attrs: { axis }, types: [{ dtype, shape }], f }) => {
  const size = shape[axis] as number // infer has checked it
  const whole = Array.from({ length: size }, (_, i) => i)
  const indices =
    size <= literalMax
      ? f.ints(whole)
      : f.op(
          'Range',
          [f.scalar('int32', 0), f.scalar('int32', size), f.scalar('int32', 1)],
          {},
          { dtype: 'int32', shape: [size] },
        )
  const along = f.reshape(
    f.cast(indices, dtype),
    shape.map((n, i) => (i === axis ? n : 1)),
  )
  return [f.broadcastTo(along, shape)]
}

/** The same bits as the reference's Philox (ir/philox.ts), and the same uniform numbers. */
const lowerRandomUniform: LowerFunction<'randomUniform'> = ({ attrs: { stream }, types: [{ shape }], f, scope }) => {
  const { key, counter } = scope.philox(stream)
  const size = elements(shape)
  const bits = f.op(
    'StatelessRandomUniformFullIntV2',
    [f.ints([size]), key, counter, f.scalar('int32', 1)],
    { dtype: attr.type('uint32') },
    { dtype: 'uint32', shape: [size] },
  )
  const high = f.op('RightShift', [bits, f.scalar('uint32', 8)], {}, { dtype: 'uint32', shape: [size] })
  const scaled = f.op(
    'Mul',
    [f.cast(high, 'float32'), f.scalar('float32', 2 ** -24)],
    {},
    { dtype: 'float32', shape: [size] },
  )
  return [f.reshape(scaled, shape)]
}

/** lower-graph.ts defines inputs, variables and constants before it lowers nodes. */
export const sourceLowering: {
  readonly [K in keyof Omit<SourceOps, 'input' | 'variable' | 'constant'>]: LowerFunction<K>
} = {
  iota: lowerIota,
  randomUniform: lowerRandomUniform,
}
