/**
 * Prints a kernel as text. The text is complete: parse.ts reads it back. Axes are a0, a1, ...; those after the bar are reduced. The text omits
 * defaults: the size of a coordinate where it is the buffer's size and the coordinate is in bounds, and a dtype that equals the dtype of the last
 * argument.
 */
import { exactNumber } from '../../../ir/exact-json.ts'
import type { DType } from '../../../ir/types.ts'
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
  [...buffers.map(bufferLine), ...phases.flatMap((phase) => phaseLines(phase, buffers))].join('\n')

const bufferLine = (buffer: KernelBuffer, at: number): string =>
  `b${at} ${buffer.role} ${showType(buffer)}${buffer.data === null ? '' : ` = [${buffer.data.map(exactNumber).join(', ')}]`}`

const phaseLines = (phase: Phase, buffers: readonly KernelBuffer[]): readonly string[] => {
  const { axes, parallel, exprs, stores } = phase
  const reduced = axes.slice(parallel)
  const element = (buffer: number, coordinates: readonly Coordinate[]): string => {
    const shape = buffers[buffer]?.shape ?? []
    const sizes = shape.length === coordinates.length ? shape : []
    return `b${buffer}[${coordinates.map((coordinate, i) => coordinateText(coordinate, axes, sizes[i])).join(', ')}]`
  }
  const exprText = (expr: Expr): string => {
    switch (expr.kind) {
      case 'load':
        return `${element(expr.buffer, expr.coordinates)}${expr.fill === 0 ? '' : ` else ${exactNumber(expr.fill)}`}`
      case 'op':
        return opText(expr)
      case 'constant':
        return `${expr.dtype} ${exactNumber(expr.value)}`
      case 'index':
        return linearText(expr.of)
      case 'inside':
        return `inside(${expr.coordinates.map((coordinate) => coordinateText(coordinate, axes, undefined)).join(', ')})`
      case 'random':
        return `random(${JSON.stringify(expr.stream)}, ${linearText(expr.index)})`
      case 'accumulated':
        return accumulatorText(phase.accumulators[expr.accumulator])
    }
  }
  return [
    `phase [${axes.slice(0, parallel).join(', ')}${reduced.length === 0 ? '' : ` | ${reduced.join(', ')}`}]`,
    ...exprs.map((expr, i) => {
      const type = expr.dtype === usualType(expr, phase) ? '' : ` : ${expr.dtype}`
      return `  %${i}${type} = ${exprText(expr)}`
    }),
    ...stores.map(({ buffer, coordinates, value }) => `  ${element(buffer, coordinates)} = %${value}`),
  ]
}

/** The default dtype, which is not printed. */
export const usualType = (expr: Expr, { exprs, accumulators }: Pick<Phase, 'exprs' | 'accumulators'>): DType => {
  switch (expr.kind) {
    case 'op':
      return exprs[expr.args.at(-1) ?? -1]?.dtype ?? 'float32'
    case 'accumulated':
      return exprs[accumulators[expr.accumulator]?.factors[0] ?? -1]?.dtype ?? 'float32'
    default:
      return expr.dtype // the dtype of the buffer, of a constant, or the only possible dtype
  }
}

const opText = ({ op, args, attrs }: Extract<Expr, { kind: 'op' }>): string => {
  const shown = Object.entries(attrs).map(([name, value]) => ` ${name}=${JSON.stringify(value)}`)
  return `${op}(${args.map((arg) => `%${arg}`).join(', ')}${shown.join('')})`
}

const accumulatorText = (accumulator: Accumulator | undefined): string => {
  if (accumulator === undefined) return 'an accumulator that does not exist'
  const { monoid, axes, factors, guard } = accumulator
  const term = factors.map((factor) => `%${factor}`).join(' * ')
  const over = axes.map((axis) => `a${axis}`).join(', ')
  return `${monoid} over ${over === '' ? 'nothing' : over} of ${term}${guard === null ? '' : ` where %${guard}`}`
}

const coordinateText = (coordinate: Coordinate, axes: readonly number[], usual: number | undefined): string => {
  const { at, size } = coordinate
  const text = at.kind === 'linear' ? linearText(at) : `%${at.expr}`
  return size === usual && isAlwaysInside(coordinate, axes) ? text : `${text} in ${size}`
}

export const linearText = ({ offset, terms, divisor }: Linear): string => {
  const parts = terms.map(({ axis, stride }) => (stride === 1 ? `a${axis}` : `${stride}*a${axis}`))
  const sum = [...parts, ...(offset !== 0 || parts.length === 0 ? [String(offset)] : [])]
    .join(' + ')
    .replaceAll('+ -', '- ')
  return divisor === 1 ? sum : `(${sum})/${divisor}`
}
