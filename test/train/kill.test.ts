/** Runs that are killed at random moments, also while they write checkpoints: they can be resumed and end with the same bits. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { withTensorflow } from '../support/tensorflow.ts'

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
const cache = here('../../node_modules/.cache')
let folder = ''
let program = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'effuse-kill-'))
  await mkdir(cache, { recursive: true })
  // In the cache next to the packages, so that Node finds them.
  program = join(await mkdtemp(join(cache, 'effuse-kill-')), 'run.mjs')
  await build({
    entryPoints: [here('run-in-folder.ts')],
    outfile: program,
    ...{ bundle: true, platform: 'node', format: 'esm', packages: 'external', target: 'node20' },
    conditions: ['effuse-source', 'node', 'import'],
  })
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
  await rm(join(program, '..'), { recursive: true, force: true })
})

interface Ended {
  readonly output: string
  readonly signal: NodeJS.Signals | null
}

/** Runs the program. `kill` is called after the first step. */
const start = (out: string, backend: string, kill?: (child: ChildProcess) => void): Promise<Ended> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, out, backend], { stdio: ['ignore', 'pipe', 'pipe'] })
    let [output, errors] = ['', '']
    child.stdout.on('data', (text) => {
      if (output === '') kill?.(child)
      output += text
    })
    child.stderr.on('data', (text) => {
      errors += text
    })
    child.on('error', reject)
    child.on('close', (code, signal) =>
      code === 0 || signal !== null ? resolve({ output, signal }) : reject(new Error(`${errors}\n${output}`)),
    )
  })

const lastStep = 240
const final = (out: string): Promise<Buffer> =>
  readFile(join(out, `step-${String(lastStep).padStart(8, '0')}.safetensors`))
/** Reproducible by its seed, which a failure prints: Park and Miller. */
const randoms = (seed: number): (() => number) => {
  let at = seed
  return () => {
    at = (at * 48271) % 2147483647
    return at / 2147483647
  }
}

test.each([['tfjs-cpu', 20] as const, ...withTensorflow.map((name) => [name, 8] as const)])(
  'on %s %i kills at random moments',
  async (backend, many) => {
    const seed = (Date.now() % 2147483646) + 1
    const random = randoms(seed)
    const whole = join(folder, `whole-${backend}`)
    expect((await start(whole, backend)).output.trimEnd().split('\n').at(-1)).toBe('finished')
    const wanted = await final(whole)
    let kills = 0
    for (let round = 0; kills < many; round++) {
      const out = join(folder, `${backend}-${round}`)
      const reached: number[] = []
      for (;;) {
        const { output, signal } = await start(out, backend, (child) => {
          if (kills < many) setTimeout(() => child.kill('SIGKILL'), random() * 250)
        })
        reached.push(Number(/step (\d+)/.exec(output)?.[1] ?? lastStep))
        if (signal === null) break
        kills++
      }
      expect((await final(out)).equals(wanted), `round ${round}, seed ${seed}, went on at ${reached.join(', ')}`).toBe(
        true,
      )
      // Partial files of a killed process are removed, and no more checkpoints are kept than requested.
      expect((await readdir(out)).length).toBe(4)
    }
  },
  400_000,
)

test('a second process cannot resume a running run; it can resume a killed one', async () => {
  const [out, backend] = [join(folder, 'two'), 'tfjs-cpu']
  let second: Promise<Ended> | null = null
  const first = await start(out, backend, (child) => {
    child.kill('SIGSTOP') // it is alive, and stopped
    second = start(out, backend).finally(() => child.kill('SIGKILL'))
    second.catch(() => {})
  })
  expect(first.signal).toBe('SIGKILL')
  await expect(second).rejects.toThrow(/another run writes .*two: process \d+ on /)
  expect((await readdir(out)).filter((name) => name.startsWith('.run-lock'))).toHaveLength(1)
  expect((await start(out, backend)).output.trimEnd().split('\n').at(-1)).toBe('finished')
  expect((await readdir(out)).filter((name) => name.startsWith('.run-lock'))).toEqual([])
}, 300_000)
