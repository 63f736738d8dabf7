/** The promises of the command line to other programs: one JSON document, no stack traces, output that it can read again. */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runCli } from '../../src/cli/run.ts'
import { listImages } from '../../src/data/picture-files.ts'

let folder = ''
const file = (name: string): string => join(folder, name)
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'effuse-command-line-'))
  const library = JSON.stringify(fileURLToPath(new URL('../../src/index.ts', import.meta.url)))
  await writeFile(
    file('net.mjs'),
    [
      `import { add, float32, graph } from ${library}`,
      `export const plain = graph('plain', { x: float32('batch', 2) }, ({ x }) => ({ y: add(x, x) }))`,
      `export const faulty = { inputs: {}, outputs: {}, name: 'faulty', at: () => { throw new TypeError('no such luck') } }`,
    ].join('\n'),
  )
  await writeFile(
    file('static.ir'),
    'graph g {\n  %x = input() {name="x"} : float32[2]\n  %w = variable() {name="w"} : float32[2]\n  %s = mul(%w, %w) : float32[2]\n  %y = add(%x, %s) : float32[2]\n  return y = %y\n}\n',
  )
})
afterAll(() => rm(folder, { recursive: true }))

const run = async (...argv: string[]) => {
  const [out, err]: [string[], string[]] = [[], []]
  const code = await runCli(argv, { out: (line) => out.push(line), err: (line) => err.push(line) })
  return { code, out: out.join('\n'), err: err.join('\n') }
}

test('inspect --after --json is one JSON document', async () => {
  const { code, out } = await run(
    'inspect',
    '--model',
    `${file('net.mjs')}#plain`,
    '--backend',
    'reference',
    '--after',
    'dce',
    '--json',
  )
  expect(code).toBe(0)
  expect(JSON.parse(out)).toMatchObject({ pass: 'dce', plan: 'run', graph: expect.stringMatching(/^graph plain \{/) })
})

test("an error from a model's own code is a message, not a stack trace", async () => {
  const argv = ['inspect', '--model', `${file('net.mjs')}#faulty`, '--backend', 'reference']
  const plain = await run(...argv)
  expect(plain.code).toBe(1)
  expect(plain.err).toMatch(/^error EF901: TypeError: no such luck\n {2}hint: .*EFFUSE_DEBUG=1/)
  expect(plain.err).not.toMatch(/\n\s+at /)
  const { error } = JSON.parse((await run(...argv, '--json')).out)
  expect(error).toMatchObject({ code: 'EF901', message: 'TypeError: no such luck' })
})

test('a module that cannot be loaded gives an error with the reason', async () => {
  const missing = await run('inspect', '--model', file('missing.mjs'))
  expect([missing.code, missing.err]).toEqual([
    2,
    expect.stringMatching(/EF602: .*cannot be loaded: there is no such file\n/),
  ])
  // In a separate process: in this one, Node does not load modules.
  await writeFile(file('wrong.mjs'), 'export default {,}')
  const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
  const stderr = await new Promise<string>((resolve) =>
    execFile(process.execPath, [main, 'inspect', '--model', file('wrong.mjs')], (_, _out, err) => resolve(err)),
  )
  expect(stderr).toMatch(/EF602: .*Unexpected token ','\n {2}hint: node --check .*wrong\.mjs shows where\n/)
})

test('explain suggests no paths in a graph without paths', async () => {
  const { code, err } = await run('explain', 'stem', '--model', `${file('net.mjs')}#plain`, '--backend', 'reference')
  expect(code).toBe(1)
  expect(err).toContain('hint: nothing in it has a path')
})

test('opt reads its own output, with all steps', async () => {
  const hoisted = await run('opt', file('static.ir'), '--passes', 'hoist-prepare')
  await writeFile(file('hoisted.ir'), hoisted.out)
  const again = await run('opt', file('hoisted.ir'))
  expect(again).toMatchObject({ code: 0, out: hoisted.out })
  await writeFile(file('two.ir'), 'graph a {\n  return\n}\ngraph b {\n  return\n}\n')
  const twice = await run('opt', file('two.ir'))
  expect(twice.code).toBe(1)
  expect(twice.err).toContain('a program of 2 graphs needs a line "step NAME" above each of them')
})

test('opt replays passes of backends, and rejects unknown ops', async () => {
  expect((await run('opt', file('static.ir'), '--passes', 'decompose,hoist-prepare,fuse-tfjs')).code).toBe(0)
  const unknown = await run('opt', file('static.ir'), '--passes', 'decompose{ops=["silo"]}')
  expect(unknown.code).toBe(2)
  expect(unknown.err).toMatch(/EF302: pass decompose: there is no op "silo"\n {2}hint: did you mean silu/)
})

test('a reader that closes the pipe early is not an error', async () => {
  const main = JSON.stringify(fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url)))
  // The shell's pipe: head takes one line of many and closes.
  const command = `node ${main} inspect --model b0 --backend reference --after to-inference | head -n 1`
  const { stdout, stderr } = await new Promise<{ stdout: string; stderr: string }>((resolve) =>
    execFile('sh', ['-c', command], (_, out, err) => resolve({ stdout: out, stderr: err })),
  )
  expect(stdout).toMatch(/^graph .*\{\n$/)
  expect(stderr).not.toContain('EPIPE')
})

test('predict on a folder counts the files that it skips', async () => {
  await mkdir(file('mixed'))
  await writeFile(file('mixed/a.png'), '')
  for (const name of ['b.bmp', 'c.bmp', 'notes.txt']) await writeFile(file(`mixed/${name}`), 'x')
  const { err } = await run('predict', file('mixed'), '--weights', file('nowhere.safetensors'))
  expect(err).toMatch(
    /^note: 3 files in .*mixed are not read, because of the ending: 2 \.bmp, 1 \.txt; pictures are files whose names end in/m,
  )
})

test('folders may have names of image files', async () => {
  await mkdir(file('pictures/summer.jpg'), { recursive: true })
  await writeFile(file('pictures/summer.jpg/a.png'), '')
  expect(await listImages([file('pictures')])).toEqual([file('pictures/summer.jpg/a.png')])
})
