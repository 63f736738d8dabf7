/** Runs the loops of phases one statement after another. Slow, and the meaning of loops. */
import { invariant } from '../../../ir/diagnostics.ts'
import type { DType } from '../../../ir/types.ts'
import type { KernelBuffer } from '../kernel/kernel.ts'
import type { RandomNumbers } from '../kernel/interpret.ts'
import { applyScalar, type Scalar } from '../kernel/scalar.ts'
import type { IndexOp, LoopExpr, Loops, Statement } from './loops.ts'

/** Changes `memory`, which has the elements of each buffer. */
export const interpretLoops = (
  { loopCount, registers, body }: Loops,
  buffers: readonly KernelBuffer[],
  memory: readonly Float64Array[],
  random: RandomNumbers,
): void => {
  const counters = new Array<number>(loopCount).fill(0)
  const values = new Array<number>(registers.length).fill(Number.NaN)
  const bufferAt = (buffer: number, at: number): Float64Array => {
    const found = memory[buffer]
    invariant(
      found !== undefined && at >= 0 && at < found.length,
      () => `element ${at} of buffer ${buffer} does not exist`,
    )
    return found
  }
  const evaluate = (expr: LoopExpr): Scalar => {
    switch (expr.kind) {
      case 'constant':
        return expr
      case 'counter':
        return { value: counters[expr.loop] as number, dtype: 'int32' }
      case 'register':
        return { value: values[expr.register] as number, dtype: registers[expr.register] as DType }
      case 'load': {
        const at = evaluate(expr.at).value
        const value = bufferAt(expr.buffer, at)[at] as number
        return { value, dtype: (buffers[expr.buffer] as KernelBuffer).dtype }
      }
      case 'op':
        return { value: applyScalar(expr, expr.args.map(evaluate)), dtype: expr.dtype }
      case 'position': {
        const [a, b] = expr.args
        return positions[expr.op](evaluate(a).value, evaluate(b).value)
      }
      case 'random':
        return { value: random(expr.stream, evaluate(expr.at).value), dtype: 'float32' }
    }
  }
  const run = (statements: readonly Statement[]): void => {
    for (const statement of statements) {
      switch (statement.kind) {
        case 'for':
          for (let i = 0; i < statement.count; i++) {
            counters[statement.loop] = i
            run(statement.body)
          }
          break
        case 'if':
          run(evaluate(statement.condition).value !== 0 ? statement.body : statement.otherwise)
          break
        case 'set':
          values[statement.register] = evaluate(statement.value).value
          break
        case 'store': {
          const at = evaluate(statement.at).value
          bufferAt(statement.buffer, at)[at] = evaluate(statement.value).value
        }
      }
    }
  }
  run(body)
}

const number = (value: number): Scalar => ({ value, dtype: 'int32' })
const flag = (value: boolean): Scalar => ({ value: value ? 1 : 0, dtype: 'bool' })

const positions: { readonly [O in IndexOp]: (a: number, b: number) => Scalar } = {
  add: (a, b) => number(a + b),
  mul: (a, b) => number(a * b),
  div: (a, b) => number(Math.trunc(a / b)),
  rem: (a, b) => number(a % b),
  lt: (a, b) => flag(a < b),
  eq: (a, b) => flag(a === b),
  and: (a, b) => flag(a !== 0 && b !== 0),
}
