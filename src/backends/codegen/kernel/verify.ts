/** Checks the invariants of a kernel that all of its users rely on. */
import { EffuseError } from '../../../ir/diagnostics.ts'
import type { Accumulator, Coordinate, Expr, Kernel, Phase, Store } from './kernel.ts'
import { isAlwaysInside } from './linear.ts'

/** @throws EffuseError EF901 with the phase and the fault */
export const verifyKernelData = (kernel: Kernel): void => {
  const written = new Set(
    kernel.buffers.flatMap(({ role }, at) => (role === 'operand' || role === 'literal' ? [at] : [])),
  )
  for (const [at, phase] of kernel.phases.entries()) {
    const fault = faultOf(phase, kernel, written)
    if (fault !== null) throw new EffuseError({ code: 'EF901', message: `bug in the compiler: phase ${at}: ${fault}` })
    for (const { buffer } of phase.stores) written.add(buffer)
  }
  const unwritten = kernel.buffers.findIndex(({ role }, at) => role === 'result' && !written.has(at))
  if (unwritten >= 0)
    throw new EffuseError({ code: 'EF901', message: `bug in the compiler: no phase writes the result ${unwritten}` })
}

const faultOf = (phase: Phase, kernel: Kernel, written: ReadonlySet<number>): string | null => {
  const { axes, parallel, exprs, accumulators, stores } = phase
  if (parallel > axes.length) return `${parallel} parallel axes of ${axes.length}`
  const all = axes.map((_, at) => at)
  const reach = axesOfExprs(phase)
  for (const [at, expr] of exprs.entries()) {
    const fault = exprFault(expr, at, phase, kernel, written)
    if (fault !== null) return `expression ${at}: ${fault}`
    if (expr.kind === 'accumulated' && accumulators[expr.accumulator] === undefined)
      return `expression ${at}: there is no accumulator ${expr.accumulator}`
  }
  const read = exprs.flatMap((expr) => (expr.kind === 'accumulated' ? [expr.accumulator] : []))
  if (read.join() !== accumulators.map((_, at) => at).join())
    return `accumulators [${read.join()}] are read, not each of ${accumulators.length} once and in order`
  for (const [at, accumulator] of accumulators.entries()) {
    const fault = accumulatorFault(accumulator, phase, reach, all.slice(parallel))
    if (fault !== null) return `accumulator ${at}: ${fault}`
  }
  for (const store of stores) {
    const fault = storeFault(store, phase, kernel, reach)
    if (fault !== null) return `the store to buffer ${store.buffer}: ${fault}`
  }
  return null
}

/** For each expression the axes that it depends on, or `accumulated` if it contains an accumulated value. */
const axesOfExprs = ({ exprs }: Phase): readonly (ReadonlySet<number> | 'accumulated')[] => {
  const reach: (ReadonlySet<number> | 'accumulated')[] = []
  for (const expr of exprs) {
    const parts = argsOf(expr).map((arg) => reach[arg])
    if (expr.kind === 'accumulated' || parts.includes('accumulated')) {
      reach.push('accumulated')
      continue
    }
    const own = linearsOf(expr).flatMap(({ terms }) => terms.map(({ axis }) => axis))
    reach.push(new Set([...own, ...parts.flatMap((part) => [...(part ?? [])] as number[])]))
  }
  return reach
}

const argsOf = (expr: Expr): readonly number[] =>
  expr.kind === 'op' ? expr.args : coordinatesIn(expr).flatMap(({ at }) => (at.kind === 'computed' ? [at.expr] : []))

const coordinatesIn = (expr: Expr): readonly Coordinate[] =>
  expr.kind === 'load' || expr.kind === 'inside' ? expr.coordinates : []

const linearsOf = (expr: Expr) => [
  ...coordinatesIn(expr).flatMap(({ at }) => (at.kind === 'linear' ? [at] : [])),
  ...(expr.kind === 'index' ? [expr.of] : expr.kind === 'random' ? [expr.index] : []),
]

const exprFault = (
  expr: Expr,
  at: number,
  { axes, exprs }: Phase,
  { buffers }: Kernel,
  written: ReadonlySet<number>,
): string | null => {
  if (argsOf(expr).some((arg) => arg >= at)) return 'it uses a later expression'
  for (const { terms, divisor } of linearsOf(expr)) {
    if (divisor < 1) return `the divisor is ${divisor}`
    const odd = terms.find(({ axis }) => axis >= axes.length)
    if (odd !== undefined) return `there is no axis ${odd.axis}`
  }
  for (const { at: position } of coordinatesIn(expr))
    if (position.kind === 'computed' && exprs[position.expr]?.dtype !== 'int32') return 'an index is not int32'
  if (expr.kind !== 'load') return null
  const buffer = buffers[expr.buffer]
  if (buffer === undefined) return `there is no buffer ${expr.buffer}`
  if (buffer.dtype !== expr.dtype) return `buffer ${expr.buffer} is ${buffer.dtype}, not ${expr.dtype}`
  if (!written.has(expr.buffer)) return `buffer ${expr.buffer} is read before it is written`
  const size = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1)
  return size(buffer.shape) === size(expr.coordinates.map((coordinate) => coordinate.size))
    ? null
    : `its coordinates do not match the shape [${buffer.shape.join(',')}]`
}

const accumulatorFault = (
  { axes, factors, guard }: Accumulator,
  { exprs, parallel }: Phase,
  reach: ReturnType<typeof axesOfExprs>,
  reduced: readonly number[],
): string | null => {
  if (axes.some((axis) => !reduced.includes(axis))) return 'it runs over an axis that is parallel or does not exist'
  if (guard !== null && exprs[guard]?.dtype !== 'bool') return 'its guard is not bool'
  for (const expr of [...factors, ...(guard === null ? [] : [guard])]) {
    const of = reach[expr]
    if (of === undefined) return `there is no expression ${expr}`
    if (of === 'accumulated') return 'a term uses an accumulated value'
    if ([...of].some((axis) => axis >= parallel && !axes.includes(axis)))
      return 'a term depends on an axis of another accumulator'
  }
  return null
}

const storeFault = (
  { buffer, coordinates, value }: Store,
  { axes, parallel, exprs }: Phase,
  { buffers }: Kernel,
  reach: ReturnType<typeof axesOfExprs>,
): string | null => {
  const target = buffers[buffer]
  if (target === undefined || target.role === 'operand' || target.role === 'literal')
    return 'only temporaries and results can be written'
  if (exprs[value]?.dtype !== target.dtype) return `${exprs[value]?.dtype} in a buffer of ${target.dtype}`
  const of = reach[value]
  if (of !== undefined && of !== 'accumulated' && [...of].some((axis) => axis >= parallel))
    return 'the value depends on a reduced axis'
  if (!coordinates.every((coordinate) => isAlwaysInside(coordinate, axes))) return 'a coordinate is out of bounds'
  return null
}
