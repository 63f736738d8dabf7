/** Runs once per test run: builds the program of the worker threads as JavaScript, since Node 20 does not run TypeScript. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import type { TestProject } from 'vitest/node'

export default async ({ provide }: TestProject): Promise<() => Promise<void>> => {
  const cache = fileURLToPath(new URL('../../node_modules/.cache', import.meta.url))
  await mkdir(cache, { recursive: true })
  // In the cache next to the packages, so that Node finds sharp.
  const folder = await mkdtemp(join(cache, 'effuse-worker-'))
  const outfile = join(folder, 'picture-worker.mjs')
  await build({
    entryPoints: [fileURLToPath(new URL('../../src/data/picture-worker.ts', import.meta.url))],
    ...{ outfile, bundle: true, platform: 'node', format: 'esm', packages: 'external', target: 'node20' },
    conditions: ['effuse-source', 'node', 'import'],
  })
  provide('pictureWorker', outfile)
  return () => rm(folder, { recursive: true, force: true })
}
