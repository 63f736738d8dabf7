/** Options given by users: one way to say which there are, what each takes, and what came. */
import { EffuseError, showGiven } from './diagnostics.ts'
import { didYouMean } from './words.ts'

/** What a value must be, in words, and whether one is it. */
export type Check = readonly [expects: string, accepts: (value: unknown) => boolean]

/** Of an option that is handed on, and checked where it is used. */
export const unchecked: Check = ['a value', () => true]

/**
 * Every entry is known and of its kind; `undefined` is as if it were not there.
 * @param what Whose options these are, `compile()`; `prefix` stands before their names in messages.
 * @throws EffuseError EF403 naming the option, what it takes and what came.
 */
export const checkRecord = (
  what: string,
  prefix: string,
  record: object,
  known: { readonly [name: string]: Check },
): void => {
  if (typeof record !== 'object' || record === null || Array.isArray(record))
    throw new EffuseError({
      code: 'EF403',
      message: `${what} takes an object of options, ${Object.keys(known).join(', ')}, got ${showGiven(record)}`,
    })
  for (const [name, value] of Object.entries(record)) {
    const check = Object.hasOwn(known, name) ? known[name] : undefined
    if (check === undefined)
      throw new EffuseError({
        code: 'EF403',
        message: `${what} has no option "${name}"; it has ${Object.keys(known).join(', ')}`,
        hint: didYouMean(name, Object.keys(known)),
      })
    if (value !== undefined && !check[1](value))
      throw new EffuseError({
        code: 'EF403',
        message: `option "${prefix}${name}" must be ${check[0]}, got ${showGiven(value)}`,
      })
  }
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
