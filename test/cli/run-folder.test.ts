/** The folder of a running run: only one run uses it at a time. It may be moved or deleted, or lose its settings. */
import { existsSync, renameSync, rmSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runCli } from '../../src/cli/run.ts'
import { type Ran, run, writeRecipe } from './command.ts'

let folder = ''
let recipe = ''
const at = (name: string): string => join(folder, name)
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'effuse-run-folder-'))
  recipe = await writeRecipe(at('tiny.json'))
})
afterAll(() => rm(folder, { recursive: true }))

/** Trains, and calls a function after the first update. */
const trainedWith = async (out: string, onFirst: () => void): Promise<Ran> => {
  const lines: string[] = []
  let isFirst = true
  const code = await runCli(['train', '--recipe', recipe, '--out', out, '--log-every', '1'], {
    out: (line) => lines.push(line),
    err: (line) => {
      lines.push(line)
      if (!line.includes('update 1/') || !isFirst) return
      isFirst = false
      onFirst()
    },
  })
  return { code, out: '', err: lines.join('\n') }
}

describe('a folder that disappears during a run', () => {
  test.each([
    ['deleted', 'deleted-rescued', (path: string) => rmSync(path, { recursive: true })],
    ['moved', 'elsewhere', (path: string) => renameSync(path, at('elsewhere'))],
  ] as const)('%s: the run ends, saves its state in %s, and can be resumed there', async (name, place, lose) => {
    const { code, err } = await trainedWith(at(name), () => lose(at(name)))
    expect(code).toBe(1)
    expect(err).toMatch(/error EF501: the folder .* was renamed or deleted while a run wrote to it; the run is in /)
    expect(err).toContain(`effuse train --resume ${at(place)}`)
    expect(err).not.toContain(`--resume ${at(name)}\n`)
    expect(existsSync(at(name))).toBe(false)
    const resumed = await run('train', '--resume', at(place), '--json')
    expect([resumed.code, JSON.parse(resumed.out)]).toEqual([
      0,
      expect.objectContaining({ reason: 'finished', steps: 6 }),
    ])
  })

  test('only its settings disappear: they are written again, and the run reports it', async () => {
    const { code, err } = await trainedWith(at('unset'), () => rmSync(join(at('unset'), 'config.json')))
    expect([code, err]).toEqual([
      0,
      expect.stringContaining(`note: config.json was missing in ${at('unset')} and was written again`),
    ])
    expect(JSON.parse(await readFile(join(at('unset'), 'config.json'), 'utf8'))).toMatchObject({ epochs: 2, batch: 8 })
    expect((await run('train', '--resume', at('unset'), '--epochs', '3')).code).toBe(0)
  })
})

test.each([
  [
    '1',
    2,
    /^error EF601: --epochs 1 is less than the 2 epochs that the run in \S+ has finished; nothing was changed\n {2}hint: --epochs 4 continues the run; without --resume a new run starts$/m,
  ],
  ['2', 0, /^note: all 2 epochs were already finished, so nothing was changed; --epochs 4 continues the run$/m],
] as const)(
  'a run of two epochs that is resumed with --epochs %s and other settings does not change',
  async (epochs, code, words) => {
    const out = at(`done-${epochs}`)
    await run('train', '--recipe', recipe, '--out', out)
    // As an editor could leave it.
    const config = join(out, 'config.json')
    await writeFile(config, (await readFile(config, 'utf8')).replaceAll('  ', '\t'))
    const files = async () =>
      Object.fromEntries(
        await Promise.all((await readdir(out)).map(async (name) => [name, await readFile(join(out, name), 'base64')])),
      )
    const before = await files()
    const found = await run('train', '--resume', out, '--epochs', epochs, '--batch', '16')
    expect([found.code, found.err]).toEqual([code, expect.stringMatching(words)])
    expect(await files()).toEqual(before)
  },
)

test('a second command that resumes a running run is rejected, and changes no settings', async () => {
  const out = at('busy')
  let second: Promise<Ran> | null = null
  const first = await trainedWith(out, () => {
    second = run('train', '--resume', out, '--epochs', '7')
  })
  const { code, err } = (await second) ?? { code: 0, err: '' }
  expect([first.code, code]).toEqual([0, 1])
  expect(err).toContain(`error EF508: another run writes ${out}: process ${process.pid} on `)
  expect(JSON.parse(await readFile(join(out, 'config.json'), 'utf8'))).toMatchObject({ epochs: 2 })
})

test('only one of two new runs gets the same folder', async () => {
  const out = at('one')
  const commands = await Promise.all([1, 2].map(() => run('train', '--recipe', recipe, '--out', out)))
  expect(commands.map(({ code }) => code).toSorted()).not.toEqual([0, 0])
  expect(commands.some(({ code }) => code === 0)).toBe(true)
  expect(await readdir(out)).toContain('step-00000006.safetensors')
})
