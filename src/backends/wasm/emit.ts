/** Emits the loops of a phase as a WebAssembly function. The addresses of the buffers are parameters. */
import type { DType } from '../../ir/types.ts'
import type { KernelBuffer } from '../codegen/kernel/kernel.ts'
import {
  type Affine,
  type IndexOp,
  type LoopExpr,
  type LoopNest,
  type Register,
  scratch,
  type Statement,
} from '../codegen/loops/loops.ts'
import { FunctionBody, type Instruction, type Signature, type ValueType } from './encoder.ts'
import { emitOp } from './emit-op.ts'
import { Pointers, tripsOf } from './pointers.ts'
import { emitRandom } from './random.ts'
import {
  emitConstant,
  emitConstantVector,
  emitLanes,
  emitLoad,
  emitSplat,
  emitStore,
  valueType,
  widthOf,
} from './storage.ts'

/** The numbers that the functions of a module share. */
export interface ModuleNumbers {
  /** The number of a random stream of the kernel. */
  readonly streamNumber: (stream: string) => number
  readonly relaxedSimd: boolean
}

/**
 * The parameters of each function: the addresses of the buffers, of scratch memory and of the run's context, then the first unit and the end of the
 * units.
 */
export const phaseSignature = (buffers: number): Signature => ({
  params: new Array<ValueType>(buffers + 4).fill('i32'),
  result: null,
})

/** The function of a phase. */
export const emitPhase = (loops: LoopNest, buffers: readonly KernelBuffer[], numbers: ModuleNumbers): FunctionBody =>
  new PhaseEmitter(loops, buffers, numbers).body()

/** Null: no instruction. */
const positionOps: { readonly [O in IndexOp]: Instruction | null } = {
  add: 'i32.add',
  mul: 'i32.mul',
  div: 'i32.div_s',
  rem: 'i32.rem_s',
  min: null,
  max: null,
  lt: 'i32.lt_s',
  eq: 'i32.eq',
  and: 'i32.and',
}

class PhaseEmitter {
  readonly #loops: LoopNest
  readonly #buffers: readonly KernelBuffer[]
  readonly #numbers: ModuleNumbers
  readonly #f: FunctionBody
  readonly #pointers: Pointers
  /** The locals of loop counters, by loop, where a counter is needed as a number. */
  readonly #counters = new Map<number, number>()
  readonly #registers: readonly number[]

  constructor(loops: LoopNest, buffers: readonly KernelBuffer[], numbers: ModuleNumbers) {
    this.#loops = loops
    this.#buffers = buffers
    this.#numbers = numbers
    this.#f = new FunctionBody(phaseSignature(buffers.length), numbers.relaxedSimd)
    this.#registers = loops.registers.map(({ dtype, lanes }) => this.#f.local(valueType(dtype, lanes)))
    this.#pointers = new Pointers(loops.body, {
      f: this.#f,
      baseOf: (buffer) => this.#baseOf(buffer),
      widthOf: (buffer) => widthOf(this.#dtypeOf(buffer)),
      localOf: (register) => this.#registers[register] as number,
    })
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
        this.#pointers.reached(statement.register)
        return
      case 'store': {
        const offset = this.#address(statement)
        this.#push(statement.value)
        emitStore(f, this.#dtypeOf(statement.buffer), statement.lanes, offset)
        return
      }
      case 'if':
        this.#push(statement.condition)
        f.branch(
          () => this.#statements(statement.body),
          statement.otherwise.length === 0 ? null : () => this.#statements(statement.otherwise),
        )
        return
      case 'for': {
        const trips = tripsOf(statement)
        if (trips === 0) return
        if (trips !== null) {
          this.#loop(statement, trips === 1)
          return
        }
        this.#push(statement.first)
        this.#push(statement.end)
        f.op('i32.lt_s')
        f.branch(() => this.#loop(statement, false), null)
      }
    }
  }

  /** A loop that runs at least once. If the value of its counter is not needed, the loop counts the remaining iterations down. */
  #loop(statement: Extract<Statement, { kind: 'for' }>, isOnce: boolean): void {
    const f = this.#f
    const { loop, first, end } = statement
    const isCounted = this.#pointers.counted.has(loop)
    const counter = f.local('i32')
    this.#counters.set(loop, counter)
    this.#pointers.within(statement, (moves) => {
      if (isCounted) this.#push(first)
      else {
        this.#push(end)
        this.#push(first)
        f.op('i32.sub')
      }
      f.set(counter)
      if (isOnce) {
        this.#statements(statement.body)
        return
      }
      f.repeat(() => {
        this.#statements(statement.body)
        for (const { local, bytes } of moves) {
          f.get(local)
          f.i32(bytes)
          f.op('i32.add')
          f.set(local)
        }
        f.get(counter)
        f.i32(isCounted ? 1 : -1)
        f.op('i32.add')
        f.tee(counter)
        if (!isCounted) return
        this.#push(end)
        f.op('i32.lt_s')
      })
    })
  }

  #push(expr: LoopExpr): void {
    const f = this.#f
    switch (expr.kind) {
      case 'constant':
        emitConstant(f, expr.value, expr.dtype)
        return
      case 'affine':
        this.#affine(expr)
        return
      case 'parameter':
        f.get(this.#buffers.length + 1) // the context
        f.memory('i32.load', 4 * expr.number)
        return
      case 'unit':
        f.get(this.#buffers.length + (expr.of === 'first' ? 2 : 3)) // these parameters follow the buffers: see phaseSignature
        return
      case 'register':
        f.get(this.#registers[expr.register] as number)
        return
      case 'load': {
        const offset = this.#address(expr)
        emitLoad(f, this.#dtypeOf(expr.buffer), expr.lanes, offset)
        return
      }
      case 'splat':
        if (expr.of.kind === 'constant') emitConstantVector(f, expr.of.value, expr.of.dtype)
        else if (expr.of.kind === 'load' && this.#dtypeOf(expr.of.buffer) === 'float32') {
          const offset = this.#address(expr.of)
          f.memory('v128.load32_splat', offset)
        } else {
          this.#push(expr.of)
          emitSplat(f, this.#typeOf(expr.of))
        }
        return
      case 'lanes':
        emitLanes(f, this.#typeOf(expr), expr.of, (lane) => this.#push(lane))
        return
      case 'position':
        this.#position(expr.op, expr.args)
        return
      case 'random': {
        this.#push(expr.at)
        const stream = this.#numbers.streamNumber(expr.stream)
        emitRandom(f, { context: this.#buffers.length + 1, stream, lanes: expr.lanes })
        return
      }
      case 'op':
        emitOp(expr, { f, push: (arg) => this.#push(arg), dtypeOf: (arg) => this.#typeOf(arg) })
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
      case 'lanes':
        return this.#typeOf(expr.of[0] as LoopExpr) // there are four parts
      case 'affine':
      case 'parameter':
      case 'unit':
        return 'int32'
      case 'position':
        return expr.op === 'lt' || expr.op === 'eq' || expr.op === 'and' ? 'bool' : 'int32'
    }
  }

  /** The parameter with the address of the buffer, or of scratch memory. */
  #baseOf(buffer: number): number {
    return buffer === scratch ? this.#buffers.length : buffer
  }

  #dtypeOf(buffer: number): DType {
    return buffer === scratch ? 'float32' : (this.#buffers[buffer] as KernelBuffer).dtype
  }

  #position(op: IndexOp, args: readonly [LoopExpr, LoopExpr]): void {
    const f = this.#f
    for (const arg of args) this.#push(arg)
    const instruction = positionOps[op]
    if (instruction !== null) {
      f.op(instruction)
      return
    }
    for (const arg of args) this.#push(arg)
    f.op(op === 'min' ? 'i32.lt_s' : 'i32.gt_s', 'select')
  }

  #affine({ offset, terms }: Affine): void {
    const f = this.#f
    let isFirst = offset === 0 && terms.length > 0
    if (!isFirst) f.i32(offset)
    for (const { loop, stride } of terms) {
      f.get(this.#counters.get(loop) as number) // an enclosing loop, whose counter is a number
      if (stride !== 1) {
        f.i32(stride)
        f.op('i32.mul')
      }
      if (!isFirst) f.op('i32.add')
      isFirst = false
    }
  }

  /** Puts an address on the stack. The instruction must add the returned offset to it. */
  #address(access: Parameters<Pointers['address']>[0]): number {
    const offset = this.#pointers.address(access)
    if (offset !== null) return offset
    const f = this.#f
    f.get(this.#baseOf(access.buffer))
    this.#push(access.at)
    const width = widthOf(this.#dtypeOf(access.buffer))
    if (width > 1) {
      f.i32(width)
      f.op('i32.mul')
    }
    f.op('i32.add')
    return 0
  }
}
