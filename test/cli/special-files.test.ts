/** Paths of special files instead of regular files: every command reports them and ends. Uses real processes, because a hanging read cannot be cancelled. */
import { execFileSync, spawn } from 'node:child_process'
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type BuiltCli, buildCli, type Ended, endOf, untilSaid } from './built-cli.ts'
import { run, writeRecipe } from './command.ts'

let cli: BuiltCli
let folder = ''
let recipe = ''
let socket: Server
const at = (...parts: readonly string[]): string => join(folder, ...parts)
const photo = new URL('../goldens/photos/coffee.png', import.meta.url)

beforeAll(async () => {
  cli = await buildCli()
  folder = await mkdtemp(join(tmpdir(), 'effuse-special-'))
  recipe = await writeRecipe(at('tiny.json'), { epochs: 1 })
  const pictures = ['a', 'b'].flatMap((name) => [at('pictures', name, '1.png'), at('pictures', name, '2.png')])
  for (const path of pictures) await cp(photo, path, { recursive: true })
  execFileSync('mkfifo', [at('fifo'), at('fifo.png'), at('fifo.json'), at('fifo.mjs'), at('pictures/a/fifo.png')])
  socket = createServer().listen(at('socket'))
  await run('train', '--recipe', recipe, '--out', at('run'))
}, 300_000)
afterAll(async () => {
  socket.close()
  await cli.remove()
  await rm(folder, { recursive: true, force: true })
})

const ended = (...args: readonly string[]): Promise<Ended> => endOf(spawn(process.execPath, [cli.path, ...args]))

test.each([
  ['predict, a picture', () => ['predict', '--weights', at('run'), at('fifo.png')], 'a pipe'],
  ['predict, weights', () => ['predict', '--weights', at('fifo'), photo.pathname], 'a pipe'],
  ['predict, weights that are a socket', () => ['predict', '--weights', at('socket'), photo.pathname], 'a socket'],
  ['predict, weights that are a device', () => ['predict', '--weights', '/dev/zero', photo.pathname], 'a device'],
  ['evaluate, weights', () => ['evaluate', at('fifo'), '--data', 'digits'], 'a pipe'],
  ['train, weights', () => ['train', '--recipe', recipe, '--weights', at('fifo'), '--out', at('new')], 'a pipe'],
  ['train, a recipe', () => ['train', '--recipe', at('fifo.json'), '--out', at('new')], 'a pipe'],
  ['inspect, a module', () => ['inspect', '--model', at('fifo.mjs')], 'a pipe'],
  ['opt, a graph', () => ['opt', at('fifo')], 'a pipe'],
  ['inspect, a report', () => ['inspect', '--model', 'b0', '--html', at('fifo')], 'a pipe'],
])('%s', async (_, args, kind) => {
  const { code, err } = await ended(...args())
  expect([code, err]).toEqual([1, expect.stringMatching(new RegExp(`EF501: cannot (read|write) .*, it is ${kind}`))])
})

test.each(['metrics.jsonl', 'config.json'])('a run whose %s is a pipe', async (name) => {
  const out = at(`resumed-${name}`)
  await cp(at('run'), out, { recursive: true })
  await rm(join(out, name))
  execFileSync('mkfifo', [join(out, name)])
  const { code, err } = await ended('train', '--resume', out, '--epochs', '2')
  expect([code, err]).toEqual([1, expect.stringMatching(/EF501: cannot (read|write) .*, it is .*a pipe/)])
})

test('a pipe in a folder of pictures is skipped like a damaged picture', async () => {
  const tiny = ['--recipe', recipe, '--data', at('pictures'), '--holdout', '0.5', '--batch', '1', '--out', at('folder')]
  const { code, err } = await ended('train', ...tiny)
  expect(err).toMatch(/was skipped: cannot read .*fifo\.png: expected a file, it is a pipe/)
  expect(code).toBe(0)
})

test('predict classifies the readable pictures, and reports the others', async () => {
  const [there, missing] = [at('pictures/a/1.png'), at('missing.png')]
  const { code, out, err } = await run('predict', '--weights', at('run'), there, missing)
  expect(code).toBe(1)
  expect(err).toContain(`error EF501: cannot read ${missing}: there is no such file`)
  expect(out).toMatch(/1\.png\n +\d+\.\d %[\s\S]*1 picture in .*\n1 picture could not be read/)
  const alone = await run('predict', '--weights', at('run'), missing)
  expect([alone.code, alone.out]).toEqual([1, ''])
})

test('a second Ctrl-C ends a run with a blocked thread', async () => {
  const hanging = at('hanging.mjs')
  await writeFile(hanging, `import { open } from 'node:fs/promises'\nvoid open(${JSON.stringify(at('fifo'))}, 'r')`)
  const lasting = ['--epochs', '50', '--steps-per-epoch', '12', '--batch', '16', '--backend', 'tfjs-cpu']
  const args = ['train', '--recipe', recipe, ...lasting, '--out', at('hangs')]
  const child = spawn(process.execPath, ['--import', hanging, cli.path, ...args])
  const end = endOf(child)
  await untilSaid(child, 'update 1/')
  child.kill('SIGINT')
  await untilSaid(child, 'Ctrl-C again ends at once')
  child.kill('SIGINT')
  expect(await end).toMatchObject({ code: null, signal: 'SIGINT' })
})
