/** effuse verify: its checks, its output, its exit codes. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { run } from './command.ts'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'effuse-verify-'))
})
afterAll(() => rmSync(folder, { recursive: true }))
const verify = (...argv: readonly string[]) =>
  run('verify', '--failures', join(folder, 'failures'), '--backend', 'tfjs-cpu', ...argv)

test('kernels: cases and the nearest to its tolerance', async () => {
  const { code, out } = await verify('--backend', 'tfjs-wasm', '--kernels', 'matmul', 'relu', '--runs', '10')
  expect(code).toBe(0)
  expect(out).toMatch(
    /^\d+ cases on tfjs-wasm, seed 0: none failed; nearest to its tolerance: \S.*, [\d.e-]+ of [\d.e-]+$/,
  )
})

test('passes by name, and as JSON', async () => {
  const { code, out } = await verify('--passes', 'simplify,cse', '--runs', '5', '--seed', '3', '--json')
  expect(code).toBe(0)
  expect(JSON.parse(out)).toMatchObject({ seed: 3, cases: 10, failures: [], worst: null, backend: 'tfjs-cpu' })
})

test('random graphs: how many numbers were compared', async () => {
  const { code, out } = await verify('--graphs', '--runs', '20')
  expect(code).toBe(0)
  expect(out).toMatch(
    /^graphs: \d+ numbers compared; \d+ not, because rounding may change them without bound\n20 cases on tfjs-cpu, seed 0: none failed/,
  )
})

test('a graph in a file, with the passes of a failure', async () => {
  const file = join(folder, 'graph.ir')
  writeFileSync(
    file,
    'graph g { %x = input() {name="x"} : float32[4] %a = neg(%x) : float32[4] %y = neg(%a) : float32[4] return y = %y }',
  )
  const passes = await verify(file, '--passes', 'to-inference,simplify')
  expect([passes.code, passes.out]).toEqual([
    0,
    'whole: pass simplify (run)\nnot: pass to-inference (run) (the pass changes the meaning on purpose)\n2 cases on tfjs-cpu, seed 0: none failed',
  ])
  const all = await verify(file)
  expect(all.code).toBe(0)
  expect(all.out).toMatch(/whole: .*the whole graph/)
})

test('a model of the command line', async () => {
  const { code, out } = await verify('--model', 'b0', '--size', '32', '--json')
  expect(code).toBe(0)
  const { failures, judged, cases } = JSON.parse(out)
  expect(failures).toEqual([])
  expect(cases).toBeGreaterThan(100)
  expect(judged).toContainEqual(expect.objectContaining({ name: 'the whole graph', how: 'whole' }))
}, 300_000)

const own = (name: string): string => `${fileURLToPath(new URL('models-to-verify.ts', import.meta.url))}#${name}`

test('a wrong kernel exits with code 1 and the smallest failing case, which is tested first next time', async () => {
  const { code, out } = await verify('--model', own('wrong'))
  expect(code).toBe(1)
  expect(out).toMatch(/^kernel composite: off by [\d.e-]+, the tolerance is [\d.e-]+$/m)
  expect(out).toMatch(/^ {4}%1 = composite\(%0\)/m)
  expect(out).toMatch(/^ {2}operand0 = \[.*-1.*\]$/m)
  expect(out).toMatch(/^\d+ cases on tfjs-cpu, seed 0: 2 failed/m)
  const again = await verify('--model', own('wrong'), '--json')
  expect(again.code).toBe(1)
  const { failures } = JSON.parse(again.out)
  expect(failures[0]).toMatchObject({ name: 'kernel composite, kept', error: expect.any(Number) })
})

test('the training step of a model: its passes and its kernels', async () => {
  const { code, out } = await verify('--model', own('small'), '--train', '--batch', '2', '--json')
  const { failures, judged, cases } = JSON.parse(out)
  expect([code, failures]).toEqual([0, []])
  expect(judged).toContainEqual(expect.objectContaining({ name: expect.stringContaining('pass differentiate') }))
  expect(judged).not.toContainEqual(expect.objectContaining({ name: 'pass clean-up (run)', how: 'not' }))
  expect(cases).toBeGreaterThan(50)
}, 300_000)

test('incompatible options give an error', async () => {
  for (const argv of [
    ['--model', 'b0', '--kernels'],
    ['x.ir', '--model', 'b0'],
    ['--kernels', 'nothing'],
    ['--runs', 'no'],
    ['--passes', 'nothing'],
  ])
    expect((await verify(...argv)).code, argv.join(' ')).toBe(2)
  expect((await verify(join(folder, 'missing.ir'))).err).toMatch(/^error EF501/)
})
