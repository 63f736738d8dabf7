/** Specifications of attributes: what an attribute accepts, in words and as a check. The text form omits an attribute that has its default. */
import { dtypes, floats, type DType, type Float, type Graph } from './types.ts'
import type { ConstantValue, Padding, Pair } from './signatures.ts'

export interface AttrSpec<T> {
  /** In words, for messages: 'two positive integers'. */
  readonly expects: string
  readonly accepts: (value: unknown) => boolean
  /** The text form omits a value equal to it. An attribute without a default is required. */
  readonly default?: T
}
export type AttrSpecs<A> = { readonly [K in keyof A]: AttrSpec<A[K]> }

const spec = <T>(expects: string, accepts: (value: unknown) => boolean): AttrSpec<T> => ({ expects, accepts })
const isInt = (value: unknown): value is number => Number.isSafeInteger(value)
const isPositive = (value: unknown): boolean => isInt(value) && value > 0
const isNatural = (value: unknown): boolean => isInt(value) && value >= 0
const isList = (value: unknown, item: (v: unknown) => boolean, length?: number): boolean =>
  Array.isArray(value) && (length === undefined || value.length === length) && value.every(item)

export const text: AttrSpec<string> = spec('a string', (v) => typeof v === 'string')
export const flag: AttrSpec<boolean> = spec('true or false', (v) => typeof v === 'boolean')
export const number: AttrSpec<number> = spec('a number', (v) => typeof v === 'number')
export const natural: AttrSpec<number> = spec('an integer of at least 0', isNatural)
export const positive: AttrSpec<number> = spec('a positive integer', isPositive)
export const naturals: AttrSpec<readonly number[]> = spec('a list of integers of at least 0', (v) =>
  isList(v, isNatural),
)
export const sizes: AttrSpec<readonly number[]> = spec('a list of positive integers', (v) => isList(v, isPositive))
export const positivePair: AttrSpec<Pair> = spec('two positive integers', (v) => isList(v, isPositive, 2))
export const dtype: AttrSpec<DType> = spec(`one of ${dtypes.join(', ')}`, (v) => dtypes.some((d) => d === v))
export const floatOrNull: AttrSpec<Float | null> = spec(
  `one of ${floats.join(', ')}, null`,
  (v) => v === null || floats.some((d) => d === v),
)
export const padding: AttrSpec<Padding> = spec(
  '"same", "valid" or [[top, bottom], [left, right]]',
  (v) => v === 'same' || v === 'valid' || isList(v, (side) => isList(side, isNatural, 2), 2),
)
export const constantValue: AttrSpec<ConstantValue> = spec(
  'a number, a list of numbers or #sha256:…',
  (v) =>
    typeof v === 'number' ||
    isList(v, (x) => typeof x === 'number') ||
    (isRecord(v) && typeof v['sha256'] === 'string' && /^[0-9a-f]{64}$/.test(v['sha256'])),
)
export const region: AttrSpec<Graph> = spec(
  'a graph',
  (v) => isRecord(v) && Array.isArray(v['nodes']) && Array.isArray(v['outputs']),
)
/** One of a closed set of words. */
export const oneOf = <const W extends readonly string[]>(...words: W): AttrSpec<W[number]> =>
  spec(`one of ${words.map((w) => JSON.stringify(w)).join(', ')}`, (v) => words.some((w) => w === v))
export const withDefault = <T>(of: AttrSpec<T>, value: T): AttrSpec<T> => ({ ...of, default: value })
/** Any other check. */
export const custom = <T>(expects: string, accepts: (value: unknown) => boolean): AttrSpec<T> => spec(expects, accepts)

export const isRecord = (value: unknown): value is { readonly [name: string]: unknown } =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Structural equality of attribute values; NaN equals NaN, 0 differs from -0. */
export const sameAttr = (a: unknown, b: unknown): boolean => {
  if (Object.is(a, b)) return true
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((x, i) => sameAttr(x, b[i]))
  if (!isRecord(a) || !isRecord(b)) return false
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && sameAttr(a[key], b[key]))
}
