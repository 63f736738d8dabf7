/** Options given by users: one way to say which there are, what each takes, and what came. */
import { EffuseError, showGiven } from './diagnostics.ts'
import { didYouMean } from './words.ts'

/** What a value must be, in words, and whether one is it. */
export type Check = readonly [expects: string, accepts: (value: unknown) => boolean]
export type CheckFor<T> = readonly [expects: string, accepts: (value: unknown) => value is T]

export interface Fault {
  readonly message: string
  readonly hint?: string | undefined
}

/** Of an option that is handed on, and checked where it is used. */
export const unchecked: Check = ['a value', () => true]

type Checks = { readonly [name: string]: Check }

/**
 * The first entry that is unknown or not of its kind, in words; null where there is none. `undefined` counts as absent.
 * @param what The function that takes these options, `compile()`; `prefix` stands before their names in messages.
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

/** The same, thrown. @throws EffuseError EF403 naming the option, what it takes and what came. */
export const checkRecord = (what: string, prefix: string, record: object, known: Checks): void => {
  const fault = recordFault(what, prefix, record, known)
  if (fault !== null) throw new EffuseError({ code: 'EF403', ...fault })
}

/** Those that have no default are there. @throws EffuseError EF403 naming the option and what it takes. */
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

/** A number that float32, which graphs compute in, holds as a finite one. */
export const isFloat32 = (v: unknown): v is number => typeof v === 'number' && Number.isFinite(Math.fround(v))

export const isObject = (v: unknown): v is object => typeof v === 'object' && v !== null
/** An integer from 0. */
export const isNatural = (v: unknown): boolean => Number.isSafeInteger(v) && Number(v) >= 0
/** An integer from 1. */
export const isCount = (v: unknown): boolean => isNatural(v) && v !== 0
export const isNames = (v: unknown): v is readonly string[] =>
  Array.isArray(v) && v.every((name) => typeof name === 'string')

// What many options take.
export const flag: Check = ['true or false', (v) => typeof v === 'boolean']
export const natural: Check = ['an integer of at least 0', isNatural]
export const count: Check = ['a positive integer', isCount]
export const names: Check = ['a list of names', isNames]
export const callback: Check = ['a function', (v) => typeof v === 'function']
export const abortSignal: Check = ['an AbortSignal', (v) => v instanceof AbortSignal]
