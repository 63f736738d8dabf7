/** Invalid arguments: all errors have one form, and no word is taken for another kind of argument. */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { flagsOf, run } from './command.ts'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'effuse-arguments-'))
})
afterAll(() => rm(folder, { recursive: true }))

const commands = [
  'predict',
  'train',
  'evaluate',
  'inspect',
  'opt',
  'explain',
  'doctor',
  'setup',
  'bench',
  'export',
  'verify',
]

test.each(commands)('%s: no option takes the next option as its value', async (command) => {
  const help = (await run(command, '--help')).out
  const withValue = (await flagsOf(command)).filter((flag) => new RegExp(`^ {2}${flag} <`, 'm').test(help))
  expect(withValue).toEqual(
    expect.arrayContaining(command === 'setup' ? ['--version'] : ['--backend', '--seed', '--amp-dtype']),
  )
  for (const flag of withValue) {
    const { code, err } = await run(command, flag, '--xla')
    expect([flag, code, err]).toEqual([
      flag,
      2,
      expect.stringMatching(
        new RegExp(
          `^error EF601: ${flag} needs .+, got --xla\\n {2}hint: if --xla is the value, write ${flag}=--xla\\n`,
        ),
      ),
    ])
  }
})

test('the message names what the option takes', async () => {
  const said = async (...argv: string[]) => (await run(...argv)).err.split('\n')[0]
  expect(await said('inspect', '--model', 'b0', '--html', '--train')).toBe(
    'error EF601: --html needs a FILE, got --train',
  )
  expect(await said('train', '--out', '--epochs', '1')).toBe('error EF601: --out needs a FOLDER, got --epochs')
  expect(await said('train', '--epochs')).toBe('error EF601: --epochs needs a number N, got nothing')
  const { code, out } = await run('inspect', '--model', 'b0', '--html', '--json')
  expect([code, JSON.parse(out).error]).toEqual([
    2,
    expect.objectContaining({ code: 'EF601', message: '--html needs a FILE, got --json' }),
  ])
})

test('a value may begin with dashes behind an equals sign, and be a negative number', async () => {
  const at = process.cwd()
  process.chdir(folder)
  try {
    expect((await run('inspect', '--model', 'lite0', '--html=--x')).code).toBe(0)
    expect(await readdir(folder)).toEqual(['--x'])
  } finally {
    process.chdir(at)
  }
  expect((await run('train', '--recipe', 'digits', '--lr', '-1')).err).toMatch(/^error EF\d+: --lr must be .*, got/)
})

test.each<[readonly string[], string, string]>([
  [['nope'], 'there is no command "nope"; there are predict, train,', 'effuse --help describes each command'],
  [['help', 'nope'], 'there is no command "nope"; there are predict, train,', 'effuse --help describes each command'],
  [['help', 'trian'], 'there is no command "trian"; ', 'did you mean train?'],
  [['predct', 'x.png'], 'there is no command "predct"; ', 'did you mean predict?'],
  [['inspect', '--modle', 'b0'], "unknown option '--modle'", 'did you mean --model?'],
  [['doctor', '--quite-other'], "unknown option '--quite-other'", 'effuse doctor --help'],
  [['doctor', 'a', 'b'], "too many arguments for 'doctor'. ", 'effuse doctor --help'],
  [['predict'], "missing required argument 'files'", 'effuse predict --help'],
  [['verify', '--stage', 'first'], "option '--stage <stage>' argument 'first' is invalid. ", 'effuse verify --help'],
])('%j is said in one form, on the terminal and in JSON', async (argv, message, hint) => {
  const plain = await run(...argv)
  expect([plain.code, plain.out]).toEqual([2, ''])
  const [first, second, third, ...more] = plain.err.split('\n')
  expect(first?.startsWith(`error EF601: ${message}`), first).toBe(true)
  expect([second, third, more]).toEqual([`  hint: ${hint}`, expect.stringMatching(/^ {2}see .*#ef601$/), []])
  const json = await run(...argv, '--json')
  const { error } = JSON.parse(json.out)
  expect([json.code, json.err]).toEqual([2, ''])
  expect(first).toBe(`error ${error.code}: ${error.message}`)
  expect(error.hint).toBe(hint)
})

test('a variant in place of a file gives an error with the right option', async () => {
  expect(await run('inspect', 'b0')).toMatchObject({
    code: 2,
    err: expect.stringMatching(
      /^error EF601: there is no file or folder b0, which is a variant .*\n {2}hint: did you mean --model b0\?\n/,
    ),
  })
})

test.each([
  ['inspect', '--model', 'b0'],
  ['verify', '--model', 'b0'],
  ['train', '--recipe', 'digits'],
])('an unknown backend: %s %s lists the existing ones', async (...argv) => {
  const said = async (name: string) => (await run(...argv, '--backend', name)).err.split('\n').slice(0, 2)
  const message = (name: string): string =>
    `error EF601: --backend must be one of auto, tfjs, tensorflow, tfjs-webgpu, wasm, tfjs-wasm, tfjs-cpu, reference, got "${name}"`
  expect(await said('gpu')).toEqual([message('gpu'), '  hint: did you mean tfjs-webgpu?'])
  expect(await said('referense')).toEqual([message('referense'), '  hint: did you mean reference?'])
})

test('an invalid graph gives an error with its file', async () => {
  const file = join(folder, 'package.json')
  await writeFile(file, '{}')
  for (const command of ['opt', 'verify'])
    expect((await run(command, file)).err).toContain(`error EF201: ${file}:1:1: expected "graph", found "{"`)
})

test('help exits with 0', async () => {
  for (const argv of [['--help'], ['help'], ['help', 'train'], ['train', '--help']])
    expect(await run(...argv)).toMatchObject({ code: 0, out: expect.stringMatching(/^Usage: effuse/), err: '' })
  expect(await run()).toMatchObject({ code: 2, out: '', err: expect.stringMatching(/^Usage: effuse/) })
})
