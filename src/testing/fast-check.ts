/** Loads fast-check, an optional peer. If it is missing, the error says what to install. */
import { EffuseError } from '../ir/diagnostics.ts'

export type { Arbitrary } from 'fast-check'

const load = async (): Promise<typeof import('fast-check').default> => {
  try {
    return (await import('fast-check')).default
  } catch (cause) {
    throw new EffuseError({
      code: 'EF404',
      message: 'effuse/testing needs the package fast-check for its random cases, which is not installed',
      hint: 'npm install --save-dev fast-check@4',
      cause,
    })
  }
}

export const fc = await load()
