/** From the loops of a phase to a WebAssembly function, with the address of each buffer as a parameter. */
import { invariant } from '../../ir/diagnostics.ts'
import type { DType } from '../../ir/types.ts'
import type { KernelBuffer, ScalarOp } from '../codegen/kernel/kernel.ts'
import type { IndexOp, LoopExpr, Loops, Register, Statement } from '../codegen/loops/loops.ts'
import { isVectorOp } from '../codegen/loops/schedule.ts'
import { type Callee, FunctionBody, type Instruction, type Signature, type ValueType } from './encoder.ts'
import { emitScalarOp } from './scalar-ops.ts'
import { vectorOpTable } from './vector-ops.ts'

/** What the functions of a module share. */
export interface ModuleNumbers {
  /** The op's definition among the host's functions. */
  readonly hostFunction: (op: ScalarOp, arity: number) => Callee
  /** The number of a random stream of the kernel. */
  readonly streamNumber: (stream: string) => number
}

/** What `env.random(stream, element)` is. */
const randomFunction: Callee = {
  kind: 'import',
  module: 'env',
  name: 'random',
  signature: { params: ['i32', 'i32'], result: 'f32' },
}

/** Parameters of each function: addresses of the buffers, of scratch memory, and of the run's context; first and end of the units. */
export const phaseSignature = (buffers: number): Signature => ({
  params: new Array<ValueType>(buffers + 4).fill('i32'),
  result: null,
})

/** The function of a phase. */
export const emitPhase = (loops: Loops, buffers: readonly KernelBuffer[], numbers: ModuleNumbers): FunctionBody =>
  new PhaseEmitter(loops, buffers, numbers).body()

const valueType = (dtype: DType): ValueType => (dtype === 'int32' || dtype === 'bool' ? 'i32' : 'f32')
const widthOf = (dtype: DType): number => (dtype === 'bool' ? 1 : 4)

const positionOps: { readonly [O in IndexOp]: Instruction } = {
  add: 'i32.add',
  mul: 'i32.mul',
  div: 'i32.div_s',
  rem: 'i32.rem_s',
  lt: 'i32.lt_s',
  eq: 'i32.eq',
  and: 'i32.and',
}

class PhaseEmitter {
  readonly #loops: Loops
  readonly #buffers: readonly KernelBuffer[]
  readonly #numbers: ModuleNumbers
  readonly #f: FunctionBody
  readonly #counters: readonly number[]
  readonly #registers: readonly number[]

  constructor(loops: Loops, buffers: readonly KernelBuffer[], numbers: ModuleNumbers) {
    this.#loops = loops
    this.#buffers = buffers
    this.#numbers = numbers
    this.#f = new FunctionBody(phaseSignature(buffers.length))
    this.#counters = Array.from({ length: loops.loopCount }, () => this.#f.local('i32'))
    this.#registers = loops.registers.map(({ dtype, lanes }) => this.#f.local(lanes === 4 ? 'v128' : valueType(dtype)))
  }

  body(): FunctionBody {
    this.#statements(this.#loops.body)
    return this.#f
  }

  #statements(statements: readonly Statement[]): void {
    for (const statement of statements) this.#statement(statement)
  }

  #statement(statement: Statement): void {
    const f = this.#f
    switch (statement.kind) {
      case 'set':
        this.#push(statement.value)
        f.set(this.#registers[statement.register] as number)
        return
      case 'store':
        this.#address(statement.buffer, statement.at)
        this.#push(statement.value)
        f.memory(statement.lanes === 4 ? 'v128.store' : storeOf(this.#dtypeOf(statement.buffer)))
        return
      case 'if':
        this.#push(statement.condition)
        f.branch(
          () => this.#statements(statement.body),
          statement.otherwise.length === 0 ? null : () => this.#statements(statement.otherwise),
        )
        return
      case 'for': {
        const counter = this.#counters[statement.loop] as number
        f.i32(0)
        f.set(counter)
        f.repeat(() => {
          this.#statements(statement.body)
          f.get(counter)
          f.i32(1)
          f.op('i32.add')
          f.set(counter)
          f.get(counter)
          f.i32(statement.count)
          f.op('i32.lt_s')
        })
      }
    }
  }

  #push(expr: LoopExpr): void {
    const f = this.#f
    switch (expr.kind) {
      case 'constant':
        if (valueType(expr.dtype) === 'f32') f.f32(expr.value)
        else f.i32(expr.value)
        return
      case 'counter':
        f.get(this.#counters[expr.loop] as number)
        return
      case 'register':
        f.get(this.#registers[expr.register] as number)
        return
      case 'load':
        this.#address(expr.buffer, expr.at)
        f.memory(expr.lanes === 4 ? 'v128.load' : loadOf(this.#dtypeOf(expr.buffer)))
        return
      case 'splat':
        if (expr.of.kind === 'constant') f.f32x4(expr.of.value)
        else {
          this.#push(expr.of)
          f.op('f32x4.splat')
        }
        return
      case 'position':
        for (const arg of expr.args) this.#push(arg)
        f.op(positionOps[expr.op])
        return
      case 'random':
        f.i32(this.#numbers.streamNumber(expr.stream))
        this.#push(expr.at)
        f.call(randomFunction)
        return
      case 'op':
        if (expr.lanes === 4) {
          const { op } = expr
          invariant(isVectorOp(op), () => `${op} has no vectors`)
          vectorOpTable[op](expr.args, f, (arg) => this.#push(arg))
          return
        }
        emitScalarOp(expr, {
          f,
          push: (arg) => this.#push(arg),
          dtypeOf: (arg) => this.#typeOf(arg),
          callHost: (op, arity) => f.call(this.#numbers.hostFunction(op, arity)),
        })
    }
  }

  #typeOf(expr: LoopExpr): DType {
    switch (expr.kind) {
      case 'constant':
      case 'op':
        return expr.dtype
      case 'register':
        return (this.#loops.registers[expr.register] as Register).dtype
      case 'load':
        return this.#dtypeOf(expr.buffer)
      case 'random':
      case 'splat':
        return 'float32'
      case 'counter':
        return 'int32'
      case 'position':
        return expr.op === 'lt' || expr.op === 'eq' || expr.op === 'and' ? 'bool' : 'int32'
    }
  }

  #dtypeOf(buffer: number): DType {
    return (this.#buffers[buffer] as KernelBuffer).dtype
  }

  #address(buffer: number, at: LoopExpr): void {
    const f = this.#f
    f.get(buffer) // parameters are the buffers' addresses
    this.#push(at)
    const width = widthOf(this.#dtypeOf(buffer))
    if (width > 1) {
      f.i32(width)
      f.op('i32.mul')
    }
    f.op('i32.add')
  }
}

const loadOf = (dtype: DType) =>
  dtype === 'bool' ? 'i32.load8_u' : valueType(dtype) === 'i32' ? 'i32.load' : 'f32.load'
const storeOf = (dtype: DType) =>
  dtype === 'bool' ? 'i32.store8' : valueType(dtype) === 'i32' ? 'i32.store' : 'f32.store'
