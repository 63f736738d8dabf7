import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { EffuseError } from '../../src/ir/diagnostics.ts'

export const bytesOfText = (text: string): Uint8Array => new TextEncoder().encode(text)

export const concat = (...parts: readonly Uint8Array[]): Uint8Array => {
  const out = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

const goldenUrl = (name: string): URL => new URL(`../goldens/${name}`, import.meta.url)
export const golden = (name: string): Uint8Array => readFileSync(goldenUrl(name))
export const goldenJson = (name: string): unknown => JSON.parse(readFileSync(goldenUrl(name), 'utf8'))

/** The EffuseError that `run` throws. Any other result fails the test. */
export const failure = (run: () => unknown): EffuseError => {
  try {
    run()
  } catch (error) {
    if (error instanceof EffuseError) return error
    throw error
  }
  throw new Error('expected an EffuseError, nothing was thrown')
}

export const failureOf = async (run: () => Promise<unknown>): Promise<EffuseError> => {
  try {
    await run()
  } catch (error) {
    if (error instanceof EffuseError) return error
    throw error
  }
  throw new Error('expected an EffuseError, nothing was thrown')
}

/**
 * Truncates `whole` at random positions, changes random bytes, and truncates small files at every position. A reader may accept the result (a changed
 * weight is still a weight) or throw an EffuseError with one line. Nothing else is allowed.
 */
export const expectOnlyEffuseErrors = (whole: Uint8Array, read: (bytes: Uint8Array) => unknown, runs = 2000): void => {
  const attempt = (bytes: Uint8Array): void => {
    try {
      read(bytes)
    } catch (error) {
      if (!(error instanceof EffuseError) || error.code === 'EF901' || error.message.includes('\n')) throw error
    }
  }
  for (let length = 0; length < Math.min(whole.length, 4000); length++) attempt(whole.subarray(0, length))
  const anyDamage = fc.array(fc.record({ at: fc.nat(whole.length - 1), byte: fc.nat(255) }), {
    minLength: 1,
    maxLength: 4,
  })
  fc.assert(
    fc.property(anyDamage, fc.option(fc.nat(whole.length)), (damage, length) => {
      const bytes = Uint8Array.from(whole)
      for (const { at, byte } of damage) bytes[at] = byte
      attempt(length === null ? bytes : bytes.subarray(0, length))
    }),
    { numRuns: runs },
  )
}
