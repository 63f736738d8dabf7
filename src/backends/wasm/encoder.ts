/** Writes WebAssembly modules (WebAssembly Core Specification, 5: Binary Format), as far as kernels need it. Knows nothing of kernels. */

export type ValueType = 'i32' | 'f32' | 'v128'

const typeCodes: { readonly [T in ValueType]: number } = { i32: 0x7f, f32: 0x7d, v128: 0x7b }

export interface Signature {
  readonly params: readonly ValueType[]
  /** Null: no result. */
  readonly result: ValueType | null
}

/** Instructions without immediates, by their names in the text format. */
export const instructions = {
  select: [0x1b],
  'i32.eqz': [0x45],
  'i32.eq': [0x46],
  'i32.ne': [0x47],
  'i32.lt_s': [0x48],
  'i32.gt_s': [0x4a],
  'i32.le_s': [0x4c],
  'i32.ge_s': [0x4e],
  'f32.eq': [0x5b],
  'f32.ne': [0x5c],
  'f32.lt': [0x5d],
  'f32.gt': [0x5e],
  'f32.le': [0x5f],
  'f32.ge': [0x60],
  'i32.add': [0x6a],
  'i32.sub': [0x6b],
  'i32.mul': [0x6c],
  'i32.div_s': [0x6d],
  'i32.rem_s': [0x6f],
  'i32.and': [0x71],
  'i32.or': [0x72],
  'f32.abs': [0x8b],
  'f32.neg': [0x8c],
  'f32.ceil': [0x8d],
  'f32.floor': [0x8e],
  'f32.nearest': [0x90],
  'f32.sqrt': [0x91],
  'f32.add': [0x92],
  'f32.sub': [0x93],
  'f32.mul': [0x94],
  'f32.div': [0x95],
  'f32.min': [0x96],
  'f32.max': [0x97],
  'f32.convert_i32_s': [0xb2],
  'i32.trunc_sat_f32_s': [0xfc, 0x00],
  'f32x4.splat': [0xfd, 0x13],
  'f32x4.ceil': [0xfd, 0x67],
  'f32x4.floor': [0xfd, 0x68],
  'f32x4.nearest': [0xfd, 0x6a],
  'f32x4.abs': [0xfd, 0xe0, 0x01],
  'f32x4.neg': [0xfd, 0xe1, 0x01],
  'f32x4.sqrt': [0xfd, 0xe3, 0x01],
  'f32x4.add': [0xfd, 0xe4, 0x01],
  'f32x4.sub': [0xfd, 0xe5, 0x01],
  'f32x4.mul': [0xfd, 0xe6, 0x01],
  'f32x4.div': [0xfd, 0xe7, 0x01],
  'f32x4.min': [0xfd, 0xe8, 0x01],
  'f32x4.max': [0xfd, 0xe9, 0x01],
  'f32x4.pmin': [0xfd, 0xea, 0x01],
  'f32x4.pmax': [0xfd, 0xeb, 0x01],
  'i32x4.shl': [0xfd, 0xab, 0x01],
  'i32x4.shr_s': [0xfd, 0xac, 0x01],
  'i32x4.add': [0xfd, 0xae, 0x01],
  'i32x4.sub': [0xfd, 0xb1, 0x01],
  'i32x4.trunc_sat_f32x4_s': [0xfd, 0xf8, 0x01],
} as const satisfies { readonly [name: string]: readonly number[] }

export type Instruction = keyof typeof instructions

/** Instructions with an address on the stack; the alignment is a hint, as a power of two. */
const memoryInstructions = {
  'i32.load': [[0x28], 2],
  'f32.load': [[0x2a], 2],
  'i32.load8_u': [[0x2d], 0],
  'i32.store': [[0x36], 2],
  'f32.store': [[0x38], 2],
  'i32.store8': [[0x3a], 0],
  'v128.load': [[0xfd, 0x00], 2],
  'v128.store': [[0xfd, 0x0b], 2],
} as const satisfies { readonly [name: string]: readonly [code: readonly number[], alignment: number] }

export type MemoryInstruction = keyof typeof memoryInstructions

/** The body of a function: locals are numbered after the parameters. */
export class FunctionBody {
  readonly signature: Signature
  readonly #locals: ValueType[] = []
  readonly #code: number[] = []
  readonly #scratch = new Map<string, number>()

  constructor(signature: Signature) {
    this.signature = signature
  }

  local(type: ValueType): number {
    this.#locals.push(type)
    return this.signature.params.length + this.#locals.length - 1
  }

  op(...names: readonly Instruction[]): void {
    for (const name of names) this.#code.push(...instructions[name])
  }

  memory(name: MemoryInstruction): void {
    const [code, alignment] = memoryInstructions[name]
    this.#code.push(...code, alignment, 0)
  }

  i32(value: number): void {
    this.#code.push(0x41, ...signed(value))
  }

  f32(value: number): void {
    this.#code.push(0x43, ...new Uint8Array(Float32Array.of(value).buffer))
  }

  /** A vector of one number. */
  f32x4(value: number): void {
    this.#vector(Float32Array.of(value))
  }

  i32x4(value: number): void {
    this.#vector(Int32Array.of(value))
  }

  /** A local for what is computed between two instructions, shared by all who ask for the same number. */
  scratch(type: ValueType, number: number): number {
    const key = `${type} ${number}`
    const local = this.#scratch.get(key) ?? this.local(type)
    this.#scratch.set(key, local)
    return local
  }

  #vector(value: Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>): void {
    const lane = new Uint8Array(value.buffer)
    this.#code.push(0xfd, 0x0c, ...lane, ...lane, ...lane, ...lane)
  }

  get(local: number): void {
    this.#code.push(0x20, ...unsigned(local))
  }

  set(local: number): void {
    this.#code.push(0x21, ...unsigned(local))
  }

  call(callee: number): void {
    this.#code.push(0x10, ...unsigned(callee))
  }

  /** Repeats the body while it leaves a number that is not 0. */
  repeat(body: () => void): void {
    this.#code.push(0x03, 0x40)
    body()
    this.#code.push(0x0d, 0, 0x0b)
  }

  /** Takes the condition from the stack. */
  branch(then: () => void, otherwise: (() => void) | null): void {
    this.#code.push(0x04, 0x40)
    then()
    if (otherwise !== null) {
      this.#code.push(0x05)
      otherwise()
    }
    this.#code.push(0x0b)
  }

  /** With the size in front, as the code section wants it. */
  encoded(): readonly number[] {
    const locals = this.#locals.map((type) => [1, typeCodes[type]])
    const body = [...vector(locals), ...this.#code, 0x0b]
    return [...unsigned(body.length), ...body]
  }
}

export interface ImportedFunction {
  readonly module: string
  readonly name: string
  readonly signature: Signature
}

export interface ModuleParts {
  /** Functions 0 and up. */
  readonly imports: readonly ImportedFunction[]
  /** Functions after the imported ones, exported under these names. */
  readonly functions: readonly (readonly [name: string, body: FunctionBody])[]
  readonly sharedMemory: boolean
}

/** A module over an imported memory, `env.memory`. */
export const encodeModule = ({ imports, functions, sharedMemory }: ModuleParts): Uint8Array<ArrayBuffer> => {
  const signatures = [...imports.map(({ signature }) => signature), ...functions.map(([, body]) => body.signature)]
  const known = [...new Map(signatures.map((signature) => [keyOf(signature), signature])).values()]
  const typeOf = (signature: Signature): number => known.findIndex((other) => keyOf(other) === keyOf(signature))
  // A shared memory has a maximum: here the most pages that there can be.
  const limits = sharedMemory ? [0x03, ...unsigned(0), ...unsigned(65_536)] : [0x00, ...unsigned(0)]
  const memory = [...text('env'), ...text('memory'), 0x02, ...limits]
  const imported = imports.map(({ module, name, signature }) => [
    ...text(module),
    ...text(name),
    0x00,
    ...unsigned(typeOf(signature)),
  ])
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, vector(known.map(encodedType))),
    ...section(2, vector([...imported, memory])),
    ...section(3, vector(functions.map(([, body]) => unsigned(typeOf(body.signature))))),
    ...section(7, vector(functions.map(([name], i) => [...text(name), 0x00, ...unsigned(imports.length + i)]))),
    ...section(10, vector(functions.map(([, body]) => body.encoded()))),
  ])
}

const keyOf = ({ params, result }: Signature): string => `${params.join()}>${result ?? ''}`

const encodedType = ({ params, result }: Signature): readonly number[] => [
  0x60,
  ...vector(params.map((type) => [typeCodes[type]])),
  ...vector(result === null ? [] : [[typeCodes[result]]]),
]

const section = (id: number, content: readonly number[]): readonly number[] => [
  id,
  ...unsigned(content.length),
  ...content,
]

const vector = (items: readonly (readonly number[])[]): readonly number[] => [
  ...unsigned(items.length),
  ...items.flat(),
]

const text = (value: string): readonly number[] => {
  const bytes = new TextEncoder().encode(value)
  return [...unsigned(bytes.length), ...bytes]
}

/** LEB128. */
const unsigned = (value: number): readonly number[] => {
  const bytes: number[] = []
  let rest = value
  do {
    const low = rest % 128
    rest = Math.floor(rest / 128)
    bytes.push(rest > 0 ? low + 128 : low)
  } while (rest > 0)
  return bytes
}

const signed = (value: number): readonly number[] => {
  const bytes: number[] = []
  for (let rest = value; ; rest >>= 7) {
    const low = rest & 0x7f
    const isLast = (rest >> 7 === 0 && (low & 0x40) === 0) || (rest >> 7 === -1 && (low & 0x40) !== 0)
    bytes.push(isLast ? low : low | 0x80)
    if (isLast) return bytes
  }
}
