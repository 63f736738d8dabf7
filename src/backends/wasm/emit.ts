/** From the loops of a phase to a WebAssembly function, with the address of each buffer as a parameter. */
import type { DType } from '../../ir/types.ts'
import type { KernelBuffer } from '../codegen/kernel/kernel.ts'
import type { IndexOp, LoopExpr, Loops, Register, Statement } from '../codegen/loops/loops.ts'
import { FunctionBody, type Instruction, type Signature, type ValueType } from './encoder.ts'
import { emitRandom } from './random.ts'
import { emitScalarOp } from './scalar-ops.ts'
import { emitConstant, emitConstantVector, emitLoad, emitSplat, emitStore, valueType, widthOf } from './storage.ts'
import { emitVectorOp } from './vector-ops.ts'

/** What the functions of a module share. */
export interface ModuleNumbers {
  /** The number of a random stream of the kernel. */
  readonly streamNumber: (stream: string) => number
}

/** Parameters of each function: addresses of the buffers, of scratch memory, and of the run's context; first and end of the units. */
export const phaseSignature = (buffers: number): Signature => ({
  params: new Array<ValueType>(buffers + 4).fill('i32'),
  result: null,
})

/** The function of a phase. */
export const emitPhase = (loops: Loops, buffers: readonly KernelBuffer[], numbers: ModuleNumbers): FunctionBody =>
  new PhaseEmitter(loops, buffers, numbers).body()

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
    this.#registers = loops.registers.map(({ dtype, lanes }) => this.#f.local(valueType(dtype, lanes)))
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
        emitStore(f, this.#dtypeOf(statement.buffer), statement.lanes)
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
        emitConstant(f, expr.value, expr.dtype)
        return
      case 'counter':
        f.get(this.#counters[expr.loop] as number)
        return
      case 'register':
        f.get(this.#registers[expr.register] as number)
        return
      case 'load':
        this.#address(expr.buffer, expr.at)
        emitLoad(f, this.#dtypeOf(expr.buffer), expr.lanes)
        return
      case 'splat':
        if (expr.of.kind === 'constant') emitConstantVector(f, expr.of.value, expr.of.dtype)
        else {
          this.#push(expr.of)
          emitSplat(f, this.#typeOf(expr.of))
        }
        return
      case 'position':
        for (const arg of expr.args) this.#push(arg)
        f.op(positionOps[expr.op])
        return
      case 'random': {
        this.#push(expr.at)
        const stream = this.#numbers.streamNumber(expr.stream)
        emitRandom(f, { context: this.#buffers.length + 1, stream, lanes: 1 })
        return
      }
      case 'op': {
        const emit = expr.lanes === 4 ? emitVectorOp : emitScalarOp
        emit(expr, { f, push: (arg) => this.#push(arg), dtypeOf: (arg) => this.#typeOf(arg) })
      }
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
        return 'float32'
      case 'splat':
        return this.#typeOf(expr.of)
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
