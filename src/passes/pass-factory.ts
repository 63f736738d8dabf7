/** Makes passes from options in text. The registry's tables consist of these factories. */
import { isNames, type CheckFor } from '../ir/check-record.ts'
import { EffuseError, showGiven } from '../ir/diagnostics.ts'
import type { Pass } from './pass.ts'

/** Values of options in the text form: JSON. */
export type PassOptions = { readonly [name: string]: unknown }

/** Makes a pass from its options. */
export interface PassFactory {
  readonly name: string
  /** Option -> description of its values. */
  readonly options: { readonly [name: string]: string }
  /** @throws EffuseError EF302 */
  make(options: PassOptions): Pass
}

/** A pass that takes no options. */
export const plain = (pass: Pass): PassFactory => ({ name: pass.name, options: {}, make: () => pass })

/** @throws EffuseError EF302 if the value is present and the option does not accept it */
export const optionOf = <T>(
  pass: string,
  name: string,
  value: unknown,
  [expects, accepts]: CheckFor<T>,
): T | undefined => {
  if (value === undefined || accepts(value)) return value
  throw new EffuseError({
    code: 'EF302',
    message: `pass ${pass}: option "${name}" must be ${expects}, got ${showGiven(value)}`,
  })
}

export const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value)
export const aNumber: CheckFor<number> = ['a number', isNumber]
export const aName: CheckFor<string> = ['a name', (v) => typeof v === 'string']
export const aListOfNames: CheckFor<readonly string[]> = ['a list of names', isNames]
export const aListOfGlobs: CheckFor<readonly string[]> = ['a list of globs', isNames]
