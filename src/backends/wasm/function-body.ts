/** Builds the body of a WebAssembly function, instruction by instruction. */
import { ByteWriter } from './bytes.ts'
import {
  type Instruction,
  instructions,
  type LaneInstruction,
  laneInstructions,
  type LaneMemoryInstruction,
  laneMemoryInstructions,
  type MemoryInstruction,
  memoryInstructions,
} from './instructions.ts'

export type ValueType = 'i32' | 'i64' | 'f32' | 'f64' | 'v128'

export const typeCodes: { readonly [T in ValueType]: number } = {
  i32: 0x7f,
  i64: 0x7e,
  f32: 0x7d,
  f64: 0x7c,
  v128: 0x7b,
}

export interface Signature {
  readonly params: readonly ValueType[]
  /** Null: no result. */
  readonly result: ValueType | null
}

/** A function that a body calls. The encoder of the module assigns its number. */
export type Callee =
  | { readonly kind: 'import'; readonly module: string; readonly name: string; readonly signature: Signature }
  /** A function of the module itself, which is added once where some body calls it. Equal names mean equal functions. */
  | {
      readonly kind: 'helper'
      readonly name: string
      readonly signature: Signature
      readonly build: (f: FunctionBody) => void
    }

/** The numbers that the module assigns to functions and globals. */
export interface ModuleNumbers {
  readonly functionOf: (callee: Callee) => number
  /** The number of the global that holds a vector (see FunctionBody.vector). */
  readonly globalOf: (key: string) => number
}

/** Locals are numbered after the parameters. */
export class FunctionBody {
  readonly signature: Signature
  /** May the body use instructions of relaxed SIMD (runtime/probe.ts)? */
  readonly relaxedSimd: boolean
  readonly #locals: ValueType[] = []
  readonly #code = new ByteWriter()
  readonly #scratch: { readonly [T in ValueType]: Map<string, number> } = {
    i32: new Map(),
    i64: new Map(),
    f32: new Map(),
    f64: new Map(),
    v128: new Map(),
  }
  readonly #calls: { readonly at: number; readonly callee: Callee }[] = []
  /** Locals that hold a vector with one number in all lanes. */
  readonly #floats = new Map<number | string, number>()
  readonly #integers = new Map<number | string, number>()
  readonly #vectors = new Map<string, { readonly local: number; readonly bytes: Uint8Array<ArrayBuffer> }>()

  constructor(signature: Signature, relaxedSimd = false) {
    this.signature = signature
    this.relaxedSimd = relaxedSimd
  }

  /** The size of the code so far, without locals. */
  get codeBytes(): number {
    return this.#code.length
  }

  /** The functions that this function calls. */
  get callees(): readonly Callee[] {
    return this.#calls.map(({ callee }) => callee)
  }

  /** The vectors that the module must hold in globals. */
  get vectors(): ReadonlyMap<string, { readonly bytes: Uint8Array<ArrayBuffer> }> {
    return this.#vectors
  }

  local(type: ValueType): number {
    this.#locals.push(type)
    return this.signature.params.length + this.#locals.length - 1
  }

  /** A local for a temporary value. Calls with the same name share the local. */
  scratch(type: ValueType, name: string): number {
    const known = this.#scratch[type]
    const found = known.get(name)
    if (found !== undefined) return found
    const local = this.local(type)
    known.set(name, local)
    return local
  }

  op(...names: readonly Instruction[]): void {
    for (const name of names) this.#code.bytes(instructions[name])
  }

  /** Multiplies the two float32 vectors on the stack, and adds the vector that `push` emits. With relaxed SIMD, most machines round the result once. */
  multiplyAdd(push: () => void): void {
    if (!this.relaxedSimd) this.op('f32x4.mul')
    push()
    this.op(this.relaxedSimd ? 'f32x4.relaxed_madd' : 'f32x4.add')
  }

  lane(name: LaneInstruction, lane: number): void {
    this.#code.bytes(laneInstructions[name])
    this.#code.byte(lane)
  }

  /** A memory access at the address on the stack plus a constant nonnegative offset in bytes. */
  memory(name: MemoryInstruction, offset = 0): void {
    const [code, alignment] = memoryInstructions[name]
    this.#code.bytes(code)
    this.#code.byte(alignment)
    this.#code.unsigned(offset)
  }

  laneMemory(name: LaneMemoryInstruction, lane: number, offset = 0): void {
    const [code, alignment] = laneMemoryInstructions[name]
    this.#code.bytes(code)
    this.#code.byte(alignment)
    this.#code.unsigned(offset)
    this.#code.byte(lane)
  }

  i32(value: number): void {
    this.#code.byte(0x41)
    this.#code.signed(value | 0)
  }

  i64(value: bigint): void {
    this.#code.byte(0x42)
    this.#code.signed64(value)
  }

  f32(value: number): void {
    this.#code.byte(0x43)
    this.#code.bytes(new Uint8Array(Float32Array.of(value).buffer))
  }

  f64(value: number): void {
    this.#code.byte(0x44)
    this.#code.bytes(new Uint8Array(Float64Array.of(value).buffer))
  }

  /** A vector with one number in all lanes. A vector of zeros is an instruction. */
  f32x4(value: number): void {
    this.#splat(this.#floats, value, () => new Float32Array(4).fill(value).buffer)
  }

  i32x4(value: number): void {
    this.#splat(this.#integers, value, () => new Int32Array(4).fill(value).buffer)
  }

  /** Caches the local of each vector, since most vectors are used repeatedly. */
  #splat(known: Map<number | string, number>, value: number, bytes: () => ArrayBuffer): void {
    if (Object.is(value, 0)) {
      this.constantVector(zeros)
      return
    }
    const key = value === 0 ? '-0' : value
    const local = known.get(key)
    if (local !== undefined) this.get(local)
    else known.set(key, this.vector(new Uint8Array(bytes())))
  }

  /**
   * A local with a constant vector of sixteen bytes. The start of the function loads it from a global that V8 cannot treat as a constant. V8 would
   * rematerialize a constant at each use, which was measured to be 30 % slower (an unrolled silu on V8 13.6).
   */
  vector(bytes: Uint8Array<ArrayBuffer>): number {
    const key = bytes.join()
    const known = this.#vectors.get(key) ?? { local: this.local('v128'), bytes }
    this.#vectors.set(key, known)
    this.get(known.local)
    return known.local
  }

  constantVector(bytes: Uint8Array<ArrayBuffer>): void {
    this.#code.bytes([0xfd, 0x0c])
    this.#code.bytes(bytes)
  }

  /** Selects bytes of the two vectors on the stack by number, from 0 to 31. */
  shuffle(lanes: readonly number[]): void {
    this.#code.bytes([0xfd, 0x0d])
    this.#code.bytes(lanes)
  }

  get(local: number): void {
    this.#code.byte(0x20)
    this.#code.unsigned(local)
  }

  set(local: number): void {
    this.#code.byte(0x21)
    this.#code.unsigned(local)
  }

  tee(local: number): void {
    this.#code.byte(0x22)
    this.#code.unsigned(local)
  }

  call(callee: Callee): void {
    this.#code.byte(0x10)
    this.#calls.push({ at: this.#code.length, callee })
    this.#code.wide(0)
  }

  /** Repeats the body as long as it leaves a nonzero number on the stack. */
  repeat(body: () => void): void {
    this.#code.bytes([0x03, 0x40])
    body()
    this.#code.bytes([0x0d, 0, 0x0b])
  }

  /** Takes the condition from the stack. */
  branch(then: () => void, otherwise: (() => void) | null, result: ValueType | null = null): void {
    this.#code.bytes([0x04, result === null ? 0x40 : typeCodes[result]])
    then()
    if (otherwise !== null) {
      this.#code.byte(0x05)
      otherwise()
    }
    this.#code.byte(0x0b)
  }

  /** Writes the body in the format of the code section, without its size. */
  writeTo(out: ByteWriter, { functionOf, globalOf }: ModuleNumbers): void {
    writeLocals(out, this.#locals)
    for (const [key, { local }] of this.#vectors) {
      out.byte(0x23)
      out.unsigned(globalOf(key))
      out.byte(0x21)
      out.unsigned(local)
    }
    const start = out.length
    out.bytes(this.#code.written())
    for (const { at, callee } of this.#calls) out.setWide(start + at, functionOf(callee))
    out.byte(0x0b)
  }
}

const zeros = new Uint8Array(16)

/** Writes locals. Adjacent locals of the same type share one entry. */
const writeLocals = (out: ByteWriter, locals: readonly ValueType[]): void => {
  const runs: { readonly type: ValueType; count: number }[] = []
  for (const type of locals) {
    const last = runs.at(-1)
    if (last?.type === type) last.count++
    else runs.push({ type, count: 1 })
  }
  out.unsigned(runs.length)
  for (const { type, count } of runs) {
    out.unsigned(count)
    out.byte(typeCodes[type])
  }
}
