/**
 * Runs the pickle program of a checkpoint on a stack machine that makes plain data and executes no Python.
 * It has the opcodes of protocol 2 that torch.save writes. Python names (GLOBAL) and calls (REDUCE) go to the host, which accepts a few and rejects
 * the others. An opcode takes at least one byte and makes at most one small value, and their number is limited. Memory is therefore in proportion to
 * the file, and no program runs long.
 */
import type { EffuseError } from '../ir/diagnostics.ts'
import { ByteReader } from './byte-reader.ts'
import { byteCount, grouped, quote } from './message-text.ts'
import { kindOf, type PickleDict, type PickleTuple, type PickleValue } from './pickle-values.ts'

export interface PickleHost {
  /** The value of a Python name. Throws if it is not allowed. */
  global(module: string, name: string, at: number): PickleValue
  /** The result of a call. Throws if it is not allowed. `spend` counts the values that the call makes beyond one. */
  call(callable: PickleValue, args: PickleTuple, at: number, spend: (count: number) => void): PickleValue
  /** The storage with a persistent id. Throws if there is none. */
  persistent(id: PickleValue, at: number): PickleValue
  /** Makes the error for a broken or rejected program; `detail` says what is wrong and where. */
  corrupt(detail: string, hint?: string): EffuseError
}

/** A state dict of 1,000 tensors takes about 60,000 opcodes. */
const opcodeLimit = 4_000_000
const lineBytesMax = 200

/** The value on the stack below a list of items. */
const mark = Symbol('mark')

/**
 * Runs the pickle that begins at byte `start`.
 *
 * @returns The value, and the offset of the byte after the pickle.
 * @throws EffuseError from host.corrupt, with the byte, if torch.save does not write such a pickle.
 */
export const runPickle = (
  bytes: Uint8Array,
  start: number,
  host: PickleHost,
): { readonly value: PickleValue; readonly end: number } => new Machine(bytes, start, host).run()

class Machine {
  private readonly reader: ByteReader
  private readonly host: PickleHost
  private readonly stack: (PickleValue | typeof mark)[] = []
  private readonly memo = new Map<number, PickleValue>()
  private count = 0
  /** Offset of the current opcode. */
  private at: number

  constructor(bytes: Uint8Array, start: number, host: PickleHost) {
    this.host = host
    this.at = start
    this.reader = new ByteReader(bytes, start, (wanted, at, what) =>
      host.corrupt(
        `${what} at byte ${grouped(at)} needs ${byteCount(wanted)}, ${grouped(bytes.length - at)} are left`,
        cutShort,
      ),
    )
  }

  run(): { readonly value: PickleValue; readonly end: number } {
    for (;;) {
      this.at = this.reader.at
      this.spend(1)
      const code = this.reader.uint8('the next opcode of the pickle')
      if (code === stop) break
      const step = opcodes.get(code)
      if (step === undefined) throw this.unknown(code)
      step(this)
    }
    const value = this.pop()
    if (this.stack.length > 0)
      throw this.corrupt(`${grouped(this.stack.length)} values remain on the stack at the end of the pickle`)
    return { value, end: this.reader.at }
  }

  spend(count: number): void {
    this.count += count
    if (this.count > opcodeLimit)
      throw this.corrupt(`the pickle has more than ${grouped(opcodeLimit)} steps; a state dict has a few thousand`)
  }

  corrupt(detail: string, hint?: string): EffuseError {
    return this.host.corrupt(`${detail}, at byte ${grouped(this.at)}`, hint)
  }

  private unknown(code: number): EffuseError {
    const shown = code > 0x20 && code < 0x7f ? ` (${String.fromCharCode(code)})` : ''
    return this.corrupt(
      `the pickle has the opcode 0x${code.toString(16).padStart(2, '0')}${shown}, which torch.save does not write with protocol 2`,
      saveAgain,
    )
  }

  // Operations of the opcodes.

  push(value: PickleValue): void {
    this.stack.push(value)
  }

  pushMark(): void {
    this.stack.push(mark)
  }

  pop(): PickleValue {
    const value = this.stack.pop()
    if (value === undefined || value === mark) throw this.corrupt('the pickle takes a value from an empty stack')
    return value
  }

  /** Removes the last mark and the values above it, and returns the values. */
  popToMark(): PickleValue[] {
    const index = this.stack.lastIndexOf(mark)
    if (index < 0) throw this.corrupt('the pickle takes values up to a mark, and there is none')
    // There is no other mark above the last one.
    const values = this.stack.splice(index).slice(1) as PickleValue[]
    return values
  }

  /** The list or dict on top of the stack, after the opcode has removed its values. */
  private top(): PickleValue {
    const value = this.pop()
    this.stack.push(value)
    return value
  }

  tuple(count: number): void {
    const items: PickleValue[] = []
    for (let i = 0; i < count; i++) items.unshift(this.pop())
    this.push({ kind: 'tuple', items })
  }

  append(values: readonly PickleValue[]): void {
    const list = this.top()
    if (typeof list !== 'object' || list?.kind !== 'list') throw this.corrupt(`the pickle appends to ${kindOf(list)}`)
    for (const value of values) list.items.push(value)
  }

  setItems(values: readonly PickleValue[]): void {
    const dict = this.top()
    if (typeof dict !== 'object' || dict?.kind !== 'dict')
      throw this.corrupt(`the pickle sets an item of ${kindOf(dict)}`)
    if (values.length % 2 !== 0) throw this.corrupt('the pickle sets a key without a value')
    for (let i = 0; i < values.length; i += 2) dict.entries.push([values[i] ?? null, values[i + 1] ?? null])
  }

  remember(index: number): void {
    this.memo.set(index, this.top())
  }

  recall(index: number): void {
    const value = this.memo.get(index)
    if (value === undefined) throw this.corrupt(`the pickle recalls value ${grouped(index)}, which it has not stored`)
    this.push(value)
  }

  protocol(): void {
    const version = this.byte()
    if (version !== 2) throw this.corrupt(`the pickle has protocol ${version}; torch.save writes 2`, saveAgain)
  }

  global(): void {
    const module = this.line()
    this.push(this.host.global(module, this.line(), this.at))
  }

  private line(): string {
    let text = ''
    for (let i = 0; i < lineBytesMax; i++) {
      const code = this.byte()
      if (code === 0x0a) return text
      text += String.fromCharCode(code)
    }
    throw this.corrupt(`the pickle names something with more than ${lineBytesMax} characters, ${quote(text, 30)}`)
  }

  call(): void {
    const args = this.pop()
    const callable = this.pop()
    if (typeof args !== 'object' || args?.kind !== 'tuple')
      throw this.corrupt(`the pickle calls a function with ${kindOf(args)} instead of a tuple of arguments`)
    this.push(this.host.call(callable, args, this.at, (count) => this.spend(count)))
  }

  /** BUILD sets attributes. State dicts store `_metadata` in this way, the versions of their modules. It is dropped. */
  build(): void {
    const state = this.pop()
    const target: PickleValue | PickleDict = this.top()
    if (typeof target !== 'object' || target?.kind !== 'dict')
      throw this.corrupt(`the pickle sets attributes of ${kindOf(target)}`)
    if (typeof state !== 'object' || state?.kind !== 'dict')
      throw this.corrupt(`the pickle sets attributes from ${kindOf(state)}`)
  }

  persistent(): void {
    this.push(this.host.persistent(this.pop(), this.at))
  }

  byte(): number {
    return this.reader.uint8('a pickle')
  }

  uint16(): number {
    return this.reader.uint16('a number in the pickle')
  }

  uint32(): number {
    return this.reader.uint32('a number in the pickle')
  }

  int32(): number {
    return this.reader.int32('a number in the pickle')
  }

  float64(): number {
    return this.reader.float64BigEndian('a number in the pickle')
  }

  /** An integer in little-endian two's complement of up to 255 bytes; a bigint if a number would not be exact. */
  long(): number | bigint {
    const bytes = this.reader.take(this.byte(), 'a number in the pickle')
    let value = 0n
    for (const byte of bytes.toReversed()) value = (value << 8n) | BigInt(byte)
    value = BigInt.asIntN(8 * bytes.length, value)
    const number = Number(value)
    return Number.isSafeInteger(number) ? number : value
  }

  text(): string {
    const bytes = this.reader.take(this.uint32(), 'a text in the pickle')
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    } catch {
      throw this.corrupt('a text in the pickle is not UTF-8')
    }
  }

  /** A text as Python 2 writes it: one byte per character. */
  byteText(length: number): string {
    let text = ''
    for (const byte of this.reader.take(length, 'a text in the pickle')) text += String.fromCharCode(byte)
    return text
  }
}

const cutShort = 'the file was probably cut short: download or save it again'
/** The hint for files that contain more than tensors. */
export const saveAgain = 'in Python, save the weights alone: torch.save(model.state_dict(), path), or write safetensors'

const stop = 0x2e
/** The opcodes of protocol 2, except those that make objects of any class (INST, OBJ, NEWOBJ, EXT) and those of older protocols. */
const opcodes: ReadonlyMap<number, (m: Machine) => void> = new Map<number, (m: Machine) => void>([
  [0x80, (m) => m.protocol()], // PROTO
  [0x28, (m) => m.pushMark()], // MARK
  [0x4e, (m) => m.push(null)], // NONE
  [0x88, (m) => m.push(true)], // NEWTRUE
  [0x89, (m) => m.push(false)], // NEWFALSE
  [0x4a, (m) => m.push(m.int32())], // BININT
  [0x4b, (m) => m.push(m.byte())], // BININT1
  [0x4d, (m) => m.push(m.uint16())], // BININT2
  [0x8a, (m) => m.push(m.long())], // LONG1
  [0x47, (m) => m.push(m.float64())], // BINFLOAT
  [0x58, (m) => m.push(m.text())], // BINUNICODE
  [0x55, (m) => m.push(m.byteText(m.byte()))], // SHORT_BINSTRING
  [0x5d, (m) => m.push({ kind: 'list', items: [] })], // EMPTY_LIST
  [0x61, (m) => m.append([m.pop()])], // APPEND
  [0x65, (m) => m.append(m.popToMark())], // APPENDS
  [0x29, (m) => m.tuple(0)], // EMPTY_TUPLE
  [0x85, (m) => m.tuple(1)], // TUPLE1
  [0x86, (m) => m.tuple(2)], // TUPLE2
  [0x87, (m) => m.tuple(3)], // TUPLE3
  [0x74, (m) => m.push({ kind: 'tuple', items: m.popToMark() })], // TUPLE
  [0x7d, (m) => m.push({ kind: 'dict', entries: [] })], // EMPTY_DICT
  [
    0x73, // SETITEM
    (m) => {
      const value = m.pop()
      m.setItems([m.pop(), value])
    },
  ],
  [0x75, (m) => m.setItems(m.popToMark())], // SETITEMS
  [0x71, (m) => m.remember(m.byte())], // BINPUT
  [0x72, (m) => m.remember(m.uint32())], // LONG_BINPUT
  [0x68, (m) => m.recall(m.byte())], // BINGET
  [0x6a, (m) => m.recall(m.uint32())], // LONG_BINGET
  [0x63, (m) => m.global()], // GLOBAL
  [0x52, (m) => m.call()], // REDUCE
  [0x62, (m) => m.build()], // BUILD
  [0x51, (m) => m.persistent()], // BINPERSID
])
