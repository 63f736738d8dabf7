/**
 * The functions of JavaScript's Math that modules import, as the import object `math`. Modules are instantiated in workers whose source is a string,
 * so they can import only what every realm has. The table has the functions that cannot be computed by a few float32 instructions:
 *
 * sin, cos: arguments may be large, so their remainder by pi / 2 needs many digits of pi.
 * pow: the error of log(x) is multiplied by y log(x), so float32 is not precise enough; Math computes in float64.
 */
import type { Callee, Instruction } from './encoder.ts'
import { popped, type StackOp } from './stack-op.ts'

export const mathFunctions = ['sin', 'cos', 'pow'] as const
export type MathFunction = (typeof mathFunctions)[number]

/** The import object `math`. All functions have one parameter list, since functions of WebAssembly receive numbers only. */
export const mathImports = (): { readonly [F in MathFunction]: (...args: number[]) => number } => ({
  sin: Math.sin as (...args: number[]) => number,
  cos: Math.cos as (...args: number[]) => number,
  pow: Math.pow as (...args: number[]) => number,
})

const callee = (name: MathFunction, arity: number): Callee => ({
  kind: 'import',
  module: 'math',
  name,
  signature: { params: new Array<'f64'>(arity).fill('f64'), result: 'f64' },
})

/** On float32 numbers. The float64 result is rounded to float32. */
export const unaryMath =
  (name: 'sin' | 'cos'): StackOp =>
  (f) => {
    f.op('f64.promote_f32')
    f.call(callee(name, 1))
    f.op('f32.demote_f64')
  }

/** As in IEEE 754: 1 to any power is 1, also for NaN and infinities, and -1 to an infinity is 1. JavaScript gives NaN for these. */
export const pow: StackOp = (f) => {
  const [x, y] = popped(f, 'f32', 'pow', 2) as [number, number]
  const equals = (value: number, constant: number, ...before: readonly Instruction[]): void => {
    f.get(value)
    f.op(...before)
    f.f32(constant)
    f.op('f32.eq')
  }
  f.f32(1)
  for (const value of [x, y]) {
    f.get(value)
    f.op('f64.promote_f32')
  }
  f.call(callee('pow', 2))
  f.op('f32.demote_f64')
  equals(x, 1)
  equals(x, -1)
  equals(y, Infinity, 'f32.abs')
  f.op('i32.and', 'i32.or', 'select')
}
