/**
 * Writes WebAssembly modules in the binary format (WebAssembly Core Specification, chapter 5), as far as kernels use it. It is independent of
 * kernels.
 */
import { invariant } from '../../ir/diagnostics.ts'
import { ByteWriter } from './bytes.ts'
import { type Callee, FunctionBody, type Signature, typeCodes } from './function-body.ts'

export { FunctionBody, type Callee, type Signature, type ValueType } from './function-body.ts'
export type { Instruction, MemoryInstruction } from './instructions.ts'

export interface ModuleParts {
  /** The exported functions by name. The functions that they call are added to the module. */
  readonly functions: readonly (readonly [name: string, body: FunctionBody])[]
  /** Is the imported memory shared? The import's type must match. */
  readonly sharedMemory: boolean
  /** May helper functions use relaxed SIMD? */
  readonly relaxedSimd: boolean
}

/** A module with an imported memory, `env.memory`. */
export const encodeModule = ({ functions, sharedMemory, relaxedSimd }: ModuleParts): Uint8Array<ArrayBuffer> => {
  const { imports, helpers, bodies } = linked(
    functions.map(([, body]) => body),
    relaxedSimd,
  )
  const numberOf = new Map([...imports, ...helpers].map((callee, at) => [calleeKey(callee), at]))
  const vectors = new Map(bodies.flatMap((body) => [...body.vectors]))
  const globalNumbers = new Map([...vectors.keys()].map((key, at) => [key, at]))
  const types = typeNumbers([...imports.map(({ signature }) => signature), ...bodies.map(({ signature }) => signature)])
  const typeOf = (signature: Signature): number => types.numbers.get(keyOf(signature)) as number
  const numbers = {
    functionOf: (callee: Callee): number => numberOf.get(calleeKey(callee)) as number,
    globalOf: (key: string): number => globalNumbers.get(key) as number,
  }
  const out = new ByteWriter()
  out.bytes([0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00])
  section(out, 1, types.known, (part, signature) => writeType(part, signature))
  section(out, 2, [...imports, null], (part, item) => {
    if (item === null) writeMemory(part, sharedMemory)
    else {
      part.text(item.module)
      part.text(item.name)
      part.byte(0x00)
      part.unsigned(typeOf(item.signature))
    }
  })
  section(out, 3, bodies, (part, { signature }) => part.unsigned(typeOf(signature)))
  if (vectors.size > 0)
    section(out, 6, [...vectors.values()], (part, { bytes }) => {
      part.bytes([typeCodes.v128, 0x01, 0xfd, 0x0c]) // a mutable global, so that engines do not treat it as a constant
      part.bytes(bytes)
      part.byte(0x0b)
    })
  section(out, 7, functions, (part, [name], at) => {
    part.text(name)
    part.byte(0x00)
    part.unsigned(imports.length + helpers.length + at)
  })
  section(out, 10, bodies, (part, body) => {
    const code = new ByteWriter()
    body.writeTo(code, numbers)
    part.unsigned(code.length)
    part.bytes(code.written())
  })
  return out.written().slice()
}

type Import = Extract<Callee, { kind: 'import' }>
type Helper = Extract<Callee, { kind: 'helper' }>

interface Linked {
  readonly imports: readonly Import[]
  readonly helpers: readonly Helper[]
  /** The helper functions, then the exported functions. */
  readonly bodies: readonly FunctionBody[]
}

/** Finds all functions that these functions call, directly or indirectly. */
const linked = (functions: readonly FunctionBody[], relaxedSimd: boolean): Linked => {
  const imports = new Map<string, Import>()
  const helpers = new Map<string, { readonly helper: Helper; readonly body: FunctionBody }>()
  const add = (body: FunctionBody): void => {
    for (const callee of body.callees) {
      const key = calleeKey(callee)
      if (callee.kind === 'import') {
        const known = imports.get(key)
        invariant(
          known === undefined || keyOf(known.signature) === keyOf(callee.signature),
          () => `${key} is imported with two signatures`,
        )
        imports.set(key, callee)
      } else if (!helpers.has(key)) {
        const made = new FunctionBody(callee.signature, relaxedSimd)
        helpers.set(key, { helper: callee, body: made })
        callee.build(made)
        add(made)
      }
    }
  }
  for (const body of functions) add(body)
  return {
    imports: [...imports.values()],
    helpers: [...helpers.values()].map(({ helper }) => helper),
    bodies: [...[...helpers.values()].map(({ body }) => body), ...functions],
  }
}

const calleeKey = (callee: Callee): string =>
  callee.kind === 'import' ? `import ${callee.module}.${callee.name}` : `helper ${callee.name}`

const keyOf = ({ params, result }: Signature): string => `${params.join()}>${result ?? ''}`

const typeNumbers = (signatures: readonly Signature[]) => {
  const known = [...new Map(signatures.map((signature) => [keyOf(signature), signature])).values()]
  return { known, numbers: new Map(known.map((signature, at) => [keyOf(signature), at])) }
}

const writeType = (out: ByteWriter, { params, result }: Signature): void => {
  out.byte(0x60)
  out.unsigned(params.length)
  for (const type of params) out.byte(typeCodes[type])
  out.unsigned(result === null ? 0 : 1)
  if (result !== null) out.byte(typeCodes[result])
}

const writeMemory = (out: ByteWriter, shared: boolean): void => {
  out.text('env')
  out.text('memory')
  out.byte(0x02)
  out.byte(shared ? 0x03 : 0x00)
  out.unsigned(0)
  if (shared) out.unsigned(65_536) // a shared memory must declare a maximum: this is the largest possible number of pages
}

/** A section whose content is a vector of items. */
const section = <Item>(
  out: ByteWriter,
  id: number,
  items: readonly Item[],
  write: (part: ByteWriter, item: Item, at: number) => void,
): void => {
  const part = new ByteWriter()
  part.unsigned(items.length)
  items.forEach((item, at) => {
    write(part, item, at)
  })
  out.byte(id)
  out.unsigned(part.length)
  out.bytes(part.written())
}
