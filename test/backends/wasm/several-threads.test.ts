/** Threads of a program that each use the backend: the flags of V8 hold for all of them. */
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { afterAll, expect, test } from 'vitest'

let place = ''
afterAll(async () => {
  if (place !== '') await rm(place, { recursive: true })
})

test('kernels with relaxed SIMD compile while other threads compile', async () => {
  place = await mkdtemp(join(tmpdir(), 'effuse-threads-'))
  const program = join(place, 'program.mjs')
  await build({
    entryPoints: [fileURLToPath(new URL('several-threads-program.ts', import.meta.url))],
    outfile: program,
    ...{ bundle: true, platform: 'node', format: 'esm', target: 'node20' },
    conditions: ['effuse-source', 'node', 'import'],
  })
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [program])
  expect(stderr).toBe('')
  expect(stdout).toBe('1000 of 1000\n'.repeat(3))
})
