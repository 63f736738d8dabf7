/** A kernel as text, to be read. Axes are a0, a1 …; those after the bar are reduced. */
import { showType } from '../../../ir/types.ts'
import type { Accumulator, Coordinate, Expr, Kernel, KernelBuffer, Linear, Phase } from './kernel.ts'
import { isAlwaysInside } from './linear.ts'

/**
 * The text of a kernel. Of `neg` on float32[2,3]:
 *
 *     b0 operand float32[2,3]
 *     b1 result float32[2,3]
 *     phase [2, 3]
 *       %0 = b0[a0, a1]
 *       %1 = neg(%0)
 *       b1[a0, a1] = %1
 */
export const printKernel = ({ buffers, phases }: Kernel): string =>
  [...buffers.map(bufferLine), ...phases.flatMap(phaseLines)].join('\n')

const bufferLine = (buffer: KernelBuffer, at: number): string =>
  `b${at} ${buffer.role} ${showType(buffer)}${buffer.data === null ? '' : ` = ${shortList(buffer.data)}`}`

const shortList = (data: readonly number[]): string =>
  data.length > 8 ? `[${data.slice(0, 8).join(', ')}, …]` : `[${data.join(', ')}]`

const phaseLines = (phase: Phase): readonly string[] => {
  const { axes, parallel, exprs, accumulators, stores } = phase
  const reduced = axes.slice(parallel)
  const at = (coordinates: readonly Coordinate[]): string =>
    coordinates.map((coordinate) => coordinateText(coordinate, axes)).join(', ')
  return [
    `phase [${axes.slice(0, parallel).join(', ')}${reduced.length === 0 ? '' : ` | ${reduced.join(', ')}`}]`,
    ...exprs.map((expr, i) => `  %${i} = ${exprText(expr, at, accumulators)}`),
    ...stores.map(({ buffer, coordinates, value }) => `  b${buffer}[${at(coordinates)}] = %${value}`),
  ]
}

const exprText = (
  expr: Expr,
  at: (coordinates: readonly Coordinate[]) => string,
  accumulators: readonly Accumulator[],
): string => {
  switch (expr.kind) {
    case 'load':
      return `b${expr.buffer}[${at(expr.coordinates)}]`
    case 'op': {
      const attrs = Object.entries(expr.attrs).map(([name, value]) => ` ${name}=${JSON.stringify(value)}`)
      return `${expr.op}(${expr.args.map((arg) => `%${arg}`).join(', ')}${attrs.join('')})`
    }
    case 'constant':
      return `${expr.dtype} ${Object.is(expr.value, -0) ? '-0' : expr.value}`
    case 'index':
      return linearText(expr.of)
    case 'inside':
      return `inside(${at(expr.coordinates)})`
    case 'random':
      return `random(${JSON.stringify(expr.stream)}, ${linearText(expr.index)})`
    case 'accumulated':
      return accumulatorText(accumulators[expr.accumulator])
  }
}

const accumulatorText = (accumulator: Accumulator | undefined): string => {
  if (accumulator === undefined) return 'an accumulator that is not there'
  const { monoid, axes, factors, guard } = accumulator
  const term = factors.map((factor) => `%${factor}`).join(' * ')
  return `${monoid} over ${axes.map((axis) => `a${axis}`).join(', ')} of ${term}${guard === null ? '' : ` where %${guard}`}`
}

/** With its size where it can be outside. */
const coordinateText = (coordinate: Coordinate, axes: readonly number[]): string => {
  const { at, size } = coordinate
  const text = at.kind === 'linear' ? linearText(at) : `%${at.expr}`
  return isAlwaysInside(coordinate, axes) ? text : `${text} in ${size}`
}

export const linearText = ({ offset, terms, divisor }: Linear): string => {
  const parts = terms.map(({ axis, stride }) => (stride === 1 ? `a${axis}` : `${stride}*a${axis}`))
  const sum = [...parts, ...(offset !== 0 || parts.length === 0 ? [String(offset)] : [])]
    .join(' + ')
    .replaceAll('+ -', '- ')
  return divisor === 1 ? sum : `(${sum})/${divisor}`
}
