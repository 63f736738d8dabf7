/** Scalar ops as WebAssembly: instructions where there are some, calls of the host's mathematics elsewhere. */
import type { ScalarOp } from '../codegen/kernel/kernel.ts'
import type { LoopExpr } from '../codegen/loops/loops.ts'
import type { DType } from '../../ir/types.ts'
import type { FunctionBody, Instruction } from './encoder.ts'

type OpExpr = Extract<LoopExpr, { kind: 'op' }>

/** What emits operands, and asks the host. */
export interface Emission {
  readonly f: FunctionBody
  /** Puts the value of an argument on the stack. */
  push(arg: LoopExpr): void
  dtypeOf(arg: LoopExpr): DType
  /** Calls the op's definition in the host; operands and result are float32. */
  callHost(op: ScalarOp, arity: number): void
}

type Emit = (expr: OpExpr, emission: Emission) => void

const isFloatType = (dtype: DType): boolean => dtype !== 'int32' && dtype !== 'bool'

/** By the op's definition in JavaScript: for floats only. */
const callHost: Emit = ({ op, args }, emission) => {
  for (const arg of args) emission.push(arg)
  emission.callHost(op, args.length)
}

/** Operands, then these instructions. */
const plain =
  (...names: readonly Instruction[]): Emit =>
  ({ args }, { f, push }) => {
    for (const arg of args) push(arg)
    f.op(...names)
  }

/** One for floats, one for integers. */
const byType =
  (float: Emit, integer: Emit): Emit =>
  (expr, emission) =>
    (isFloatType(emission.dtypeOf(expr.args[0] as LoopExpr)) ? float : integer)(expr, emission)

const [first, second, third] = [0, 1, 2].map(
  (at) =>
    ({ args }: OpExpr): LoopExpr =>
      args[at] as LoopExpr, // the op's arity
) as [(expr: OpExpr) => LoopExpr, (expr: OpExpr) => LoopExpr, (expr: OpExpr) => LoopExpr]

const negative: Emit = (expr, { f, push }) => {
  f.i32(0)
  push(first(expr))
  f.op('i32.sub')
}

const integerAbs: Emit = (expr, emission) => {
  const { f, push } = emission
  push(first(expr))
  negative(expr, emission)
  push(first(expr))
  f.i32(0)
  f.op('i32.ge_s', 'select')
}

/** NaN and zeros as they are. */
const floatSign: Emit = (expr, { f, push }) => {
  const x = first(expr)
  f.f32(1)
  f.f32(-1)
  push(x)
  push(x)
  f.f32(0)
  f.op('f32.lt', 'select')
  push(x)
  f.f32(0)
  f.op('f32.gt', 'select')
}

const integerSign: Emit = (expr, { f, push }) => {
  push(first(expr))
  f.i32(0)
  f.op('i32.gt_s')
  push(first(expr))
  f.i32(0)
  f.op('i32.lt_s', 'i32.sub')
}

const larger =
  (test: 'i32.gt_s' | 'i32.lt_s'): Emit =>
  (expr, { f, push }) => {
    push(first(expr))
    push(second(expr))
    push(first(expr))
    push(second(expr))
    f.op(test, 'select')
  }

/** 0 for a divisor of 0; the least number over -1 wraps around. The machine stops at both. */
const integerDiv: Emit = (expr, { f, push }) => {
  const [a, b] = [first(expr), second(expr)]
  const isZero = (x: LoopExpr): void => {
    push(x)
    f.op('i32.eqz')
  }
  const isMinusOne = (x: LoopExpr): void => {
    push(x)
    f.i32(-1)
    f.op('i32.eq')
  }
  f.i32(0)
  f.i32(0)
  push(a)
  f.op('i32.sub') // the quotient by -1
  push(a)
  f.i32(1) // a divisor that does no harm, where the quotient is not taken
  push(b)
  isZero(b)
  isMinusOne(b)
  f.op('i32.or', 'select', 'i32.div_s')
  isMinusOne(b)
  f.op('select')
  isZero(b)
  f.op('select')
}

const integerRemainder: Emit = (expr, { f, push }) => {
  const [a, b] = [first(expr), second(expr)]
  f.i32(0)
  push(a)
  f.i32(1)
  push(b)
  push(b)
  f.op('i32.eqz', 'select', 'i32.rem_s')
  push(b)
  f.op('i32.eqz', 'select')
}

const comparisons = {
  eq: ['f32.eq', 'i32.eq'],
  ne: ['f32.ne', 'i32.ne'],
  lt: ['f32.lt', 'i32.lt_s'],
  le: ['f32.le', 'i32.le_s'],
  gt: ['f32.gt', 'i32.gt_s'],
  ge: ['f32.ge', 'i32.ge_s'],
} as const

const compare: Emit = (expr, { f, push, dtypeOf }) => {
  const { direction } = expr.attrs as { readonly direction: keyof typeof comparisons } // of a compare
  push(first(expr))
  push(second(expr))
  const [float, integer] = comparisons[direction]
  f.op(isFloatType(dtypeOf(first(expr))) ? float : integer)
}

const choose: Emit = (expr, { f, push }) => {
  push(second(expr))
  push(third(expr))
  push(first(expr))
  f.op('select')
}

const cast: Emit = (expr, { f, push, dtypeOf }) => {
  const [from, to] = [dtypeOf(first(expr)), expr.dtype]
  push(first(expr))
  if (from === to) return
  if (to === 'bool') {
    if (isFloatType(from)) f.f32(0)
    else f.i32(0)
    f.op(isFloatType(from) ? 'f32.ne' : 'i32.ne')
  } else if (to === 'int32') {
    if (isFloatType(from)) f.op('i32.trunc_sat_f32_s')
  } else if (!isFloatType(from)) f.op('f32.convert_i32_s')
}

const relu: Emit = (expr, { f, push }) => {
  push(first(expr))
  f.f32(0)
  f.op('f32.max')
}

const isFinite32: Emit = (expr, { f, push }) => {
  push(first(expr))
  f.op('f32.abs')
  f.f32(Infinity)
  f.op('f32.lt')
}

const reciprocal =
  (...before: readonly Instruction[]): Emit =>
  (expr, { f, push }) => {
    f.f32(1)
    push(first(expr))
    f.op(...before, 'f32.div')
  }

/** Ops that have instructions. */
const table: { readonly [K in ScalarOp]?: Emit | undefined } = {
  neg: byType(plain('f32.neg'), negative),
  abs: byType(plain('f32.abs'), integerAbs),
  sign: byType(floatSign, integerSign),
  floor: plain('f32.floor'),
  ceil: plain('f32.ceil'),
  round: plain('f32.nearest'),
  sqrt: plain('f32.sqrt'),
  rsqrt: reciprocal('f32.sqrt'),
  reciprocal: reciprocal(),
  relu,
  relu6: (expr, emission) => {
    relu(expr, emission)
    emission.f.f32(6)
    emission.f.op('f32.min')
  },
  not: plain('i32.eqz'),
  isFinite: isFinite32,
  add: byType(plain('f32.add'), plain('i32.add')),
  sub: byType(plain('f32.sub'), plain('i32.sub')),
  mul: byType(plain('f32.mul'), plain('i32.mul')),
  div: byType(plain('f32.div'), integerDiv),
  maximum: byType(plain('f32.max'), larger('i32.gt_s')),
  minimum: byType(plain('f32.min'), larger('i32.lt_s')),
  remainder: byType(callHost, integerRemainder),
  and: plain('i32.and'),
  or: plain('i32.or'),
  compare,
  select: choose,
  cast,
}

/** Puts the result of an op on the stack: by instructions, or by its definition in the host. */
export const emitScalarOp: Emit = (expr, emission) => {
  const emit = table[expr.op] ?? callHost
  emit(expr, emission)
}
