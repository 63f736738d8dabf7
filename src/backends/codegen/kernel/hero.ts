/** What the lowerings of all heroes share. heroes.ts has the table of heroes. */
import type { Axis } from '../../../ir/ops/window.ts'
import type { ContractionOps, OpAttrs, OpIn, OpOut, PoolingOps, ReductionOps, Tuple } from '../../../ir/signatures.ts'
import type { Ref, Type } from '../../../ir/types.ts'
import type { Source } from './from-graph.ts'
import type { Accumulator, Linear } from './kernel.ts'
import { coordinatesOf, divided, scaled, sum } from './linear.ts'
import type { PhaseBuilder } from './phase-builder.ts'

export type HeroOp = keyof ReductionOps | keyof ContractionOps | keyof PoolingOps

export interface HeroArgs<K extends HeroOp> {
  readonly attrs: OpAttrs<K>
  readonly inputs: Tuple<Ref, OpIn<K>>
  readonly types: Tuple<Type, OpOut<K>>
  /** The result of the op: its port. */
  readonly port: number
  /** The coordinates of the element in that result. */
  readonly at: readonly Linear[]
}
/** Gives the expression of the result's element at the coordinates, which are in bounds. */
export type Hero<K extends HeroOp> = (args: HeroArgs<K>, source: Source, p: PhaseBuilder) => number

/** The axis numbers of these linear numbers. Each must be a single axis. */
export const axesOf = (reduced: readonly Linear[]): readonly number[] =>
  reduced.map(({ terms }) => (terms[0] as Linear['terms'][number]).axis)

/** Stores a value at each point of the phase in a new buffer. */
export const stored = (value: number, type: Type, p: PhaseBuilder, source: Source): number => {
  const buffer = source.temporary(type)
  p.store(buffer, coordinatesOf(p.point(), type.shape), value)
  source.addPhase(p)
  return buffer
}

/** Adds one accumulator over new axes of these sizes. */
export const combined = (
  { dtype }: Type,
  p: PhaseBuilder,
  sizes: readonly number[],
  terms: (reduced: readonly Linear[]) => Omit<Accumulator, 'axes' | 'dtype'>,
): number => {
  const reduced = p.reduced(sizes)
  return p.accumulate({ ...terms(reduced), axes: axesOf(reduced), dtype })
}

export type Axes = readonly [Axis, Axis]
/** Four coordinates. In a phase over images: sample, row, column, channel. In a phase over filters: row, column, input channel, output channel. */
export type Four = readonly [Linear, Linear, Linear, Linear]

/** The input pixel that a filter tap reads for an output pixel. */
export const pixelOf = ({ stride, dilation, before }: Axis, output: Linear, tap: Linear): Linear =>
  sum([scaled(output, stride, -before), scaled(tap, dilation)])

/** The output pixel for which a filter tap reads the input pixel. There is none where the quotient has a remainder. */
export const outputOf = ({ stride, dilation, before }: Axis, pixel: Linear, tap: Linear): Linear =>
  divided(sum([pixel, scaled(tap, -dilation)]), before, stride)
