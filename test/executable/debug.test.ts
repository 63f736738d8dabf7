/** The EFFUSE_ variables of the environment: their values, and errors that name them. */
import { afterEach, expect, test, vi } from 'vitest'
import { compile } from '../../src/compile.ts'
import { silu } from '../../src/ir/functions.ts'
import { graph } from '../../src/ir/model.ts'
import { float32 } from '../../src/ir/value.ts'
import { definePass } from '../../src/passes/pass.ts'
import { debugOptions } from '../../src/executable/debug.ts'

afterEach(() => {
  vi.unstubAllEnvs()
})

test.each([
  ['EFFUSE_DEBUG', 'loud', 'EFFUSE_DEBUG must be 0, 1 or 2, got loud'],
  ['EFFUSE_DEBUG', '7', 'EFFUSE_DEBUG must be 0, 1 or 2, got 7'],
  ['EFFUSE_VERIFY', 'yes', 'EFFUSE_VERIFY must be 0 or 1, got yes'],
  ['EFFUSE_PRINT_AFTER', 'cse, nonsense', /^EFFUSE_PRINT_AFTER names the pass "nonsense", .* there are cse, dce$/],
])('%s=%s gives an error that names the variable', (name, value, message) => {
  vi.stubEnv(name, value)
  expect(() => debugOptions(new Set(['cse', 'dce']))).toThrow(
    expect.objectContaining({ code: 'EF403', message: expect.stringMatching(message) }),
  )
})

test.each([
  ['', false],
  ['0', false],
  ['1', true],
] as const)('EFFUSE_VERIFY=%s', (value, verify) => {
  vi.stubEnv('EFFUSE_VERIFY', value)
  expect(debugOptions(new Set(['cse', 'dce'])).verify).toBe(verify)
})

const half = graph('half', { x: float32('batch', 2) }, ({ x }) => ({ y: silu(x) }))

test.each([
  ['EFFUSE_PRINT_AFTER', 'cs', /^EFFUSE_PRINT_AFTER names the pass "cs", and there is none; .*fuse-tfjs/],
  ['EFFUSE_TRACE', '/dev/null/x', /^EFFUSE_TRACE must name a folder that can be written, got \/dev\/null\/x: /],
  ['EFFUSE_AMP_ALLOW', 'nonsense', /^EFFUSE_AMP_ALLOW of the environment: .*there is no op "nonsense" to allow/],
  ['EFFUSE_AMP_DENY', 'silu,!silu', /^EFFUSE_AMP_DENY: "silu" and "!silu" are in one list/],
  ['EFFUSE_AMP_DENY', '!', /^EFFUSE_AMP_DENY: .* must be a list of names of ops, got \["!"\]/],
  [
    'EFFUSE_AMP_KEEP',
    'stem/**',
    /^EFFUSE_AMP_KEEP of the environment: .*"keep" names "stem\/\*\*", which fits no path/,
  ],
  ['EFFUSE_AMP_LOSS_SCALE', 'off', /^EFFUSE_AMP_LOSS_SCALE must be 0 or 1, got off/],
])('compile() under %s=%s', async (name, value, message) => {
  vi.stubEnv(name, value)
  await expect(compile(half, { backend: 'tfjs-cpu', amp: { emulate: true } })).rejects.toMatchObject({
    code: 'EF403',
    message: expect.stringMatching(message),
  })
})

test("a user's pass can be printed", async () => {
  vi.stubEnv('EFFUSE_PRINT_AFTER', 'mine')
  const lines = vi.spyOn(console, 'error').mockReturnValue()
  const mine = definePass({ name: 'mine', summary: 'does nothing', phase: 'fuse', preserves: 'bits', run: (g) => g })
  using net = await compile(half, { backend: 'reference', passes: (p) => p.before('fuse', mine) })
  expect(net.passes.map(({ name }) => name)).toContain('mine')
  expect(lines.mock.calls).toEqual([[expect.stringMatching(/^\/\/ after mine, step run\ngraph half/)]])
  lines.mockRestore()
})
