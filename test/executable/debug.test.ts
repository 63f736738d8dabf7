/** The EFFUSE_ variables of the environment: what they take, and that errors name them. */
import { afterEach, expect, test, vi } from 'vitest'
import { debugOptions } from '../../src/executable/debug.ts'

afterEach(() => {
  vi.unstubAllEnvs()
})

test.each([
  ['EFFUSE_DEBUG', 'loud', 'EFFUSE_DEBUG must be 0, 1 or 2, got loud'],
  ['EFFUSE_DEBUG', '7', 'EFFUSE_DEBUG must be 0, 1 or 2, got 7'],
  ['EFFUSE_VERIFY', 'yes', 'EFFUSE_VERIFY must be 0 or 1, got yes'],
])('%s=%s is an error that names it', (name, value, message) => {
  vi.stubEnv(name, value)
  expect(() => debugOptions()).toThrow(expect.objectContaining({ code: 'EF403', message }))
})

test.each([
  ['', false],
  ['0', false],
  ['1', true],
] as const)('EFFUSE_VERIFY=%s', (value, verify) => {
  vi.stubEnv('EFFUSE_VERIFY', value)
  expect(debugOptions().verify).toBe(verify)
})
