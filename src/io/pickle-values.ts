/** The values that a checkpoint's pickle can contain: plain data and descriptions of tensors. No value is code. */
import type { FileDType } from './tensor-entry.ts'

export interface PickleList {
  readonly kind: 'list'
  readonly items: PickleValue[]
}
export interface PickleTuple {
  readonly kind: 'tuple'
  readonly items: readonly PickleValue[]
}
/** Pairs in the order of the file. No key is special, and keys need not be texts. */
export interface PickleDict {
  readonly kind: 'dict'
  readonly entries: (readonly [PickleValue, PickleValue])[]
}
/** A Python name from a short list of known names. It is only compared, never looked up or called. */
export interface PickleGlobal {
  readonly kind: 'global'
  readonly name: KnownGlobal
}
export type KnownGlobal =
  | { readonly is: 'orderedDict' | 'size' | 'rebuildTensor' | 'rebuildParameter' }
  | { readonly is: 'storage'; readonly dtype: FileDType }
/** A storage: numbers in the file that tensors refer to. */
export interface StorageRef {
  readonly kind: 'storage'
  readonly key: string
  readonly dtype: FileDType
  readonly elements: number
}
export interface TensorRef {
  readonly kind: 'tensor'
  readonly storage: StorageRef
  /** In elements of the storage, like the strides. */
  readonly offset: number
  readonly shape: readonly number[]
  readonly strides: readonly number[]
}
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | PickleList
  | PickleTuple
  | PickleDict
  | PickleGlobal
  | StorageRef
  | TensorRef

/** The kind of a value for messages, without its content. */
export const kindOf = (value: PickleValue): string => {
  if (value === null) return 'None'
  if (typeof value === 'object') return kindNames[value.kind]
  return { string: 'a text', boolean: 'a boolean', number: 'a number', bigint: 'a number' }[
    typeof value as 'string' | 'boolean' | 'number' | 'bigint'
  ] // the rest of the union
}
const kindNames = {
  list: 'a list',
  tuple: 'a tuple',
  dict: 'a dict',
  global: 'a class or function',
  storage: 'a storage',
  tensor: 'a tensor',
} as const

/** A whole number from 0 to 2^53 - 1, or null. */
export const sizeOf = (value: PickleValue | undefined): number | null =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null
