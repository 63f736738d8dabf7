/** A small assembler for the kernels in this folder: WebAssembly modules of functions over one imported memory, with SIMD. */

/** Instructions, encoded. An expression leaves one value on the stack, a statement none. */
export type Code = readonly number[]

export interface WasmFunction {
  readonly name: string
  /** All parameters are i32; there is no result. */
  readonly parameters: number
  /** Further locals, numbered after the parameters: first those of i32, then those of v128. */
  readonly locals: { readonly i32: number; readonly v128: number }
  readonly body: Code
}

const [typeI32, typeV128, typeFunction, typeEmpty] = [0x7f, 0x7b, 0x60, 0x40]

/** A module that imports `env.memory` and exports the functions. */
export const wasmModule = (functions: readonly WasmFunction[]): Uint8Array<ArrayBuffer> =>
  Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, vector(functions.map(typeOf))),
    ...section(2, vector([[...text('env'), ...text('memory'), 2, 0, 1]])),
    ...section(3, vector(functions.map((_, i) => unsigned(i)))),
    ...section(7, vector(functions.map(({ name }, i) => [...text(name), 0, ...unsigned(i)]))),
    ...section(10, vector(functions.map(bodyOf))),
  ])

const typeOf = ({ parameters }: WasmFunction): Code => [
  typeFunction,
  ...vector(Array.from({ length: parameters }, () => [typeI32])),
  ...vector([]),
]

const bodyOf = ({ locals, body }: WasmFunction): Code => {
  const declared = vector([
    [...unsigned(locals.i32), typeI32],
    [...unsigned(locals.v128), typeV128],
  ])
  return sized([...declared, ...body, 0x0b])
}

const section = (id: number, content: Code): Code => [id, ...sized(content)]
const sized = (content: Code): Code => [...unsigned(content.length), ...content]
const vector = (items: readonly Code[]): Code => [...unsigned(items.length), ...items.flat()]
const text = (value: string): Code => sized([...new TextEncoder().encode(value)])

/** LEB128. */
const unsigned = (value: number): Code =>
  value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(Math.floor(value / 0x80))]
const signed = (value: number): Code => {
  const [low, rest] = [value & 0x7f, value >> 7]
  const isLast = (rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0)
  return isLast ? [low] : [low | 0x80, ...signed(rest)]
}

const simd = (opcode: number, ...immediates: readonly number[]): Code => [0xfd, ...unsigned(opcode), ...immediates]
/** Alignment 2^0, because pixels of three bytes are not aligned. */
const at = (offset: number): Code => [0, ...unsigned(offset)]

export const get = (local: number): Code => [0x20, ...unsigned(local)]
export const set = (local: number, value: Code): Code => [...value, 0x21, ...unsigned(local)]

export const i32 = {
  const: (value: number): Code => [0x41, ...signed(value)],
  load: (address: Code, offset = 0): Code => [...address, 0x28, ...at(offset)],
  add: (a: Code, b: Code): Code => [...a, ...b, 0x6a],
  mul: (a: Code, b: Code): Code => [...a, ...b, 0x6c],
  below: (a: Code, b: Code): Code => [...a, ...b, 0x49],
} as const

export const v128 = {
  load: (address: Code, offset = 0): Code => [...address, ...simd(0x00, ...at(offset))],
  /** Four bytes, then twelve zeros. */
  load4: (address: Code, offset = 0): Code => [...address, ...simd(0x5c, ...at(offset))],
  /** One i32 in all four lanes. */
  loadSplat: (address: Code, offset = 0): Code => [...address, ...simd(0x09, ...at(offset))],
  store: (address: Code, value: Code): Code => [...address, ...value, ...simd(0x0b, ...at(0))],
  /** The first four bytes. */
  store4: (address: Code, value: Code): Code => [...address, ...value, ...simd(0x5a, ...at(0), 0)],
  splat: (value: Code): Code => [...value, ...simd(0x11)],
  add: (a: Code, b: Code): Code => [...a, ...b, ...simd(0xae)],
  mul: (a: Code, b: Code): Code => [...a, ...b, ...simd(0xb5)],
  shiftRight: (value: Code, bits: number): Code => [...value, ...i32.const(bits), ...simd(0xac)],
  /** Four bytes from `first` on as four i32; the bytes of `zero` must be zero. */
  widen: (value: Code, zero: Code, first: number): Code => [
    ...value,
    ...zero,
    ...simd(0x0d, ...[0, 1, 2, 3].flatMap((lane) => [first + lane, 16, 16, 16])),
  ],
  /** i32 to i16, clamped. */
  narrowToI16: (low: Code, high: Code): Code => [...low, ...high, ...simd(0x85)],
  /** i16 to bytes from 0 to 255, clamped. */
  narrowToU8: (low: Code, high: Code): Code => [...low, ...high, ...simd(0x66)],
} as const

/** Runs the body, and again while the condition holds. */
export const doWhile = (body: Code, condition: Code): Code => [0x03, typeEmpty, ...body, ...condition, 0x0d, 0, 0x0b]
