/** Making passes from options in text: what the registry's tables are made of. */
import { EffuseError, showGiven } from '../ir/diagnostics.ts'
import type { Pass } from './pass.ts'

/** Values of options in the text form: JSON. */
export type PassOptions = { readonly [name: string]: unknown }

/** Makes a pass from its options. */
export interface PassFactory {
  readonly name: string
  /** Option -> what it takes, in words. */
  readonly options: { readonly [name: string]: string }
  /** @throws EffuseError EF302 */
  make(options: PassOptions): Pass
}

/** A pass that takes no options. */
export const plain = (pass: Pass): PassFactory => ({ name: pass.name, options: {}, make: () => pass })

/** @throws EffuseError EF302 where the value is there and is not what the option takes */
export const optionOf = <T>(
  pass: string,
  name: string,
  value: unknown,
  expects: string,
  accepts: (value: unknown) => value is T,
): T | undefined => {
  if (value === undefined || accepts(value)) return value
  throw new EffuseError({
    code: 'EF302',
    message: `pass ${pass}: option "${name}" must be ${expects}, got ${showGiven(value)}`,
  })
}

export const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value)
export const isName = (value: unknown): value is string => typeof value === 'string'
export const isNames = (value: unknown): value is readonly string[] => Array.isArray(value) && value.every(isName)
