/** Checks of options that callers pass. The messages name the known options, the expected value and the given value. */
import { EffuseError, showGiven } from './diagnostics.ts'
import { didYouMean } from './words.ts'

/** What a value must be, in words, and the test of it. */
export type Check = readonly [expects: string, accepts: (value: unknown) => boolean]
export type CheckFor<T> = readonly [expects: string, accepts: (value: unknown) => value is T]

export interface Fault {
  readonly message: string
  readonly hint?: string | undefined
}

/** For an option that is passed on and checked where it is used. */
export const unchecked: Check = ['a value', () => true]

type Checks = { readonly [name: string]: Check }

/**
 * Describes the first entry that is unknown or wrong; null if there is none. `undefined` counts as absent.
 * @param what The function that takes the options, `compile()`; messages put `prefix` before the options' names.
 */
export const recordFault = (what: string, prefix: string, record: object, known: Checks): Fault | null => {
  if (!isObject(record) || Array.isArray(record))
    return { message: `${what} takes an object of options, ${Object.keys(known).join(', ')}, got ${showGiven(record)}` }
  for (const [name, value] of Object.entries(record)) {
    const check = Object.hasOwn(known, name) ? known[name] : undefined
    if (check === undefined)
      return {
        message: `${what} has no option "${name}"; it has ${Object.keys(known).join(', ')}`,
        hint: didYouMean(name, Object.keys(known)),
      }
    if (value !== undefined && !check[1](value))
      return { message: `option "${prefix}${name}" must be ${check[0]}, got ${showGiven(value)}` }
  }
  return null
}

/** Throws what recordFault() finds. @throws EffuseError EF403 naming the option, the expected and the given value. */
export const checkRecord = (what: string, prefix: string, record: object, known: Checks): void => {
  const fault = recordFault(what, prefix, record, known)
  if (fault !== null) throw new EffuseError({ code: 'EF403', ...fault })
}

/** Checks that all required options are given. @throws EffuseError EF403 naming the option and the expected value. */
export const checkPresent = <R extends object>(
  what: string,
  record: R,
  needed: { readonly [K in keyof R & string]?: Check },
): void => {
  for (const [name, check] of Object.entries<Check | undefined>(needed))
    if (check !== undefined && record[name as keyof R] === undefined)
      // a key of the table
      throw new EffuseError({ code: 'EF403', message: `${what} needs the option "${name}": ${check[0]}` })
}

/** Is it a number that is finite in float32, the type that graphs compute in? */
export const isFloat32 = (v: unknown): v is number => typeof v === 'number' && Number.isFinite(Math.fround(v))

export const isObject = (v: unknown): v is object => typeof v === 'object' && v !== null
/** An integer from 0. */
export const isNatural = (v: unknown): boolean => Number.isSafeInteger(v) && Number(v) >= 0
/** An integer from 1. */
export const isCount = (v: unknown): boolean => isNatural(v) && v !== 0
export const isNames = (v: unknown): v is readonly string[] =>
  Array.isArray(v) && v.every((name) => typeof name === 'string')

// Checks that many options share.
export const flag: Check = ['true or false', (v) => typeof v === 'boolean']
export const natural: Check = ['an integer of at least 0', isNatural]
export const count: Check = ['a positive integer', isCount]
export const names: Check = ['a list of names', isNames]
export const callback: Check = ['a function', (v) => typeof v === 'function']
export const abortSignal: Check = ['an AbortSignal', (v) => v instanceof AbortSignal]
