/** Options given by users: one way to say which there are, what each takes, and what came. */
import { EffuseError, showGiven } from './diagnostics.ts'
import { nearest } from './parse.ts'

/** What a value must be, in words, and whether one is it. */
export type Check = readonly [expects: string, accepts: (value: unknown) => boolean]

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
  for (const [name, value] of Object.entries(record)) {
    const check = Object.hasOwn(known, name) ? known[name] : undefined
    if (check === undefined)
      throw new EffuseError({
        code: 'EF403',
        message: `${what} has no option "${name}"; it has ${Object.keys(known).join(', ')}`,
        hint: `did you mean "${nearest(name, Object.keys(known))}"?`,
      })
    if (value !== undefined && !check[1](value))
      throw new EffuseError({
        code: 'EF403',
        message: `option "${prefix}${name}" must be ${check[0]}, got ${showGiven(value)}`,
      })
  }
}
