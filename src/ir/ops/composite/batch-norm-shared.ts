/** Shared parts of the batch normalisation ops: type rules, the formula, loops over channels. */
import { type AttrSpec, custom } from '../../attrs.ts'
import type { OpEmitter } from '../../emitter.ts'
import type { Cost, RefTensor } from '../../op-def.ts'
import { elements, isFloat, showType, type Type } from '../../types.ts'
import type { Value } from '../../value.ts'

/** With a negative epsilon, variance + epsilon may be negative and has no root. */
export const epsilonSpec: AttrSpec<number> = custom('a number of at least 0', (v) => typeof v === 'number' && v >= 0)
/** Outside of 0 to 1 the moving statistics diverge. */
export const momentumSpec: AttrSpec<number> = custom(
  'a number from 0 to 1',
  (v) => typeof v === 'number' && v >= 0 && v <= 1,
)

/** C1: a float x of rank 1 or more. C2: the vectors are float32 [C]. */
export const checkStatistics = (x: Type, vectors: readonly Type[]): string | null => {
  const channels = x.shape.at(-1)
  if (channels === undefined || !isFloat(x.dtype))
    return `C1: a float operand of rank 1 or more is needed, got ${showType(x)}`
  const bad = vectors.find((v) => v.dtype !== 'float32' || v.shape.length !== 1 || v.shape[0] !== channels)
  return bad === undefined ? null : `C2: vectors must be float32[${channels}], got ${showType(bad)}`
}

/** (x - mean) * inverse deviation * scale + offset. */
export const normalized = (
  x: RefTensor,
  scale: RefTensor,
  offset: RefTensor,
  mean: { readonly data: Float64Array },
  inverse: Float64Array,
): Float64Array => {
  const channels = scale.data.length
  const out = new Float64Array(x.data.length)
  for (let i = 0; i < out.length; i++) {
    const c = i % channels
    out[i] =
      ((x.data[i] as number) - (mean.data[c] as number)) * (inverse[c] as number) * (scale.data[c] as number) +
      (offset.data[c] as number)
  }
  return out
}

/** Sum over all but the last axis of f(element, channel). */
export const channelSums = (x: RefTensor, f: (value: number, channel: number, at: number) => number): Float64Array => {
  const channels = x.shape.at(-1) ?? 1
  const sums = new Float64Array(channels)
  for (let i = 0; i < x.data.length; i++) {
    const c = i % channels
    sums[c] = (sums[c] as number) + f(x.data[i] as number, c, i)
  }
  return sums
}

/** Elements per channel. */
export const rowsOf = (shape: readonly number[]): number => elements(shape.slice(0, -1))
/** All axes but the last. */
export const batchAxes = (shape: readonly number[]): readonly number[] => shape.slice(0, -1).map((_, axis) => axis)

/** The sum of the parts; null if there are none. */
export const sumOf = (b: OpEmitter, parts: readonly Value[]): Value | null =>
  parts.reduce<Value | null>((sum, part) => (sum === null ? part : b.add(sum, part)), null)

export const batchNormCost = ([x]: readonly Type[]): Cost => ({
  multiplyAdds: 0,
  operations: 4 * elements(x?.shape ?? []),
})

export const statisticsExample = (op: string, vectors: readonly string[], attrs: string): string => {
  const inputs = [
    '  %0 = input() {name="x"} : float32[2,3]',
    ...vectors.map((name, i) => `  %${i + 1} = input() {name="${name}"} : float32[3]`),
  ]
  const operands = inputs.map((_, i) => `%${i}`).join(', ')
  return [
    'graph example {',
    ...inputs,
    `  %${inputs.length} = ${op}(${operands}) {${attrs}} : float32[2,3]`,
    `  return y = %${inputs.length}`,
    '}',
  ].join('\n')
}
