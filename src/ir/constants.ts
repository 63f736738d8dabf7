/**
 * Large literals are stored beside the graph under the SHA-256 of their type and bytes, so that graphs stay small, comparable and printable.
 * A store for the whole process would leak memory, so each compilation has its own pool, which all its graphs share (side-tables.ts).
 */
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex } from '@noble/hashes/utils.js'
import { EffuseError } from './diagnostics.ts'
import { elements, showType, type Type } from './types.ts'

/** Literals of up to this many elements are part of the graph and its text. */
export const inlineElementsMax = 16

/** Values of a constant in row-major order. Half types are stored as float32. */
export interface Constant {
  readonly type: Type
  readonly data: Float32Array | Int32Array | Uint8Array
}

/** Constants by the hash of their content; append-only. */
export interface ConstantPool {
  add(type: Type, data: Constant['data']): string
  get(sha256: string): Constant
}

export const makeConstantPool = (): ConstantPool => {
  const constants = new Map<string, Constant>()
  return {
    add: (type, data) => {
      const hash = hashConstant(type, data)
      if (!constants.has(hash)) constants.set(hash, { type, data: copyOf(data) })
      return hash
    },
    get: (hash) => {
      const constant = constants.get(hash)
      if (constant === undefined) {
        throw new EffuseError({
          code: 'EF203',
          message: `the constant #sha256:${hash} is not known here`,
          hint: 'the text of a graph refers to large constants by hash; pass them to parse(text, { constants })',
        })
      }
      return constant
    },
  }
}

/** SHA-256 over the type in words and the little-endian bytes, in hexadecimal. */
export const hashConstant = (type: Type, data: Constant['data']): string => {
  if (data.length !== elements(type.shape)) {
    throw new EffuseError({
      code: 'EF111',
      message: `a constant ${showType(type)} needs ${elements(type.shape)} values, got ${data.length}`,
    })
  }
  const hash = sha256.create()
  hash.update(new TextEncoder().encode(`${showType(type)}\n`))
  hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
  return bytesToHex(hash.digest())
}

/** The pool owns its bytes: callers may reuse their arrays. */
const copyOf = (data: Constant['data']): Constant['data'] =>
  data instanceof Float32Array
    ? new Float32Array(data)
    : data instanceof Int32Array
      ? new Int32Array(data)
      : new Uint8Array(data)
