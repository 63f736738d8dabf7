/** The command line in this process: commands with their own flags, valid and invalid values, existing and missing files. */
import { mkdtempSync, rmSync, writeFileSync, mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc, { type Arbitrary } from 'fast-check'
import { EffuseError, type ErrorCode } from '../../../src/ir/diagnostics.ts'
import { flagsOf, run } from '../../cli/command.ts'
import { messageFault } from '../judge.ts'
import { type FuzzTarget, wordsFile, wrong } from '../target.ts'

/** Names of files in cases, with their contents. */
const files: { readonly [name: string]: string | Uint8Array } = {
  'twice.ir':
    'graph twice {\n  %x = input() {name="x"} : float32[2]\n  %y = neg(%x) : float32[2]\n  return y = %y\n}\n',
  'bad.ir': 'graph bad {\n  %y = neg(%x) : float32[2]\n  return %y\n}\n',
  'recipe.json': '{"model": "b0", "data": "./nothing", "epochs": 1}',
  'bad.json': '{"model": "b0", "data": ',
  'cut.safetensors': Uint8Array.of(0xff, 0xff, 0, 0, 0, 0, 0, 0, 0x7b),
  'text.png': 'no picture at all',
  'empty.bin': '',
  'net.mjs': 'export const three = 3\nexport const __proto__ = null\n',
  'throws.mjs': "throw new TypeError('from a module of the user')\n",
}
const places = [
  ...Object.keys(files),
  './net.mjs#three',
  './net.mjs#none',
  'nothing',
  '.',
  'folder',
  '',
  '-',
  '/dev/null',
]

const values = [
  ...places,
  ...['0', '1', '-1', '2.5', '1e9', 'NaN', '0x10', '99999999999999999999', '4294967296', '16', '1,2', '0.5,1', 'none'],
  ...[
    'b0',
    'b9',
    'lite0',
    'digits',
    'auto',
    'tfjs-cpu',
    'reference',
    'webgpu',
    'float16',
    'minCut',
    'tensorflow',
    'sgd',
  ],
  ...[
    'adam',
    'cosine',
    'box',
    'center',
    'simplify,cse',
    'amp{dtype=float16}',
    'clip{norm=-1}',
    'stem/**',
    '%0',
    '{',
    '#',
  ],
  ...['__proto__', 'constructor', 'toString', '\u001b[2J', '\u202e', '"', "'", '--', '--json', '-h', 'é'],
]

/** Appended flags that limit the work: of a repeated option the last one counts. */
const small: ReadonlyMap<string, readonly string[]> = new Map([
  ['bench', ['--model', './net.mjs#three']],
  ['inspect', ['--model', './net.mjs#three']],
  ['explain', ['--model', './net.mjs#three']],
  ['train', ['--data', './nothing', '--out', 'out']],
])
const commands = [...small.keys(), 'evaluate', 'predict', 'opt', 'doctor']
const flags = new Map(await Promise.all(commands.map(async (name) => [name, await flagsOf(name)] as const)))

const words = (command: string): Arbitrary<readonly string[]> => {
  const flag = fc.constantFrom(...(flags.get(command) ?? []), '--use_amp', '--nonsense')
  const value = fc.constantFrom(...values)
  return fc
    .array(
      fc.oneof(
        { weight: 3, arbitrary: fc.tuple(flag, value) },
        { weight: 1, arbitrary: fc.tuple(flag) },
        { weight: 1, arbitrary: fc.tuple(value) },
        { weight: 1, arbitrary: fc.tuple(flag, value).map(([f, v]) => [`${f}=${v}`] as const) },
      ),
      { maxLength: 5 },
    )
    .map((parts) => parts.flat())
}
const cases = fc
  .constantFrom(...commands, 'nonsense', 'help', '--version', '__proto__')
  .chain((command) => words(command).map((given) => [command, ...given, ...(small.get(command) ?? [])]))

let folder = ''
/** Enters the folder in which commands run. It is removed when the process exits. */
const enter = (): void => {
  if (folder === '') {
    folder = mkdtempSync(join(tmpdir(), 'effuse-fuzz-'))
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content)
    mkdirSync(join(folder, 'folder'))
    process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  }
  process.chdir(folder)
}

export const commandLine: FuzzTarget<readonly string[]> = {
  name: 'command-line',
  summary: 'arguments of the command line, in this process',
  cases,
  file: wordsFile,
  acceptedLeast: 0.02,
  attempt: async (argv) => {
    const home = process.cwd()
    enter()
    try {
      const { code, out, err } = await run(...argv)
      const isJson = argv.includes('--json')
      if (code === 0) return
      if (code !== 1 && code !== 2) wrong(`its exit code is ${code}`)
      const said = isJson ? out : err
      if (said === '') wrong(`its exit code is ${code}, and it says nothing`)
      if (/\bEF901\b/.test(said)) wrong(`it is called a fault of effuse: ${said}`)
      if (/^\s+at .*:\d+:\d+\)?$/m.test(said)) wrong(`it prints a stack trace: ${said}`)
      const fault = messageFault(said)
      if (fault !== null) wrong(`what it says ${fault}: ${JSON.stringify(said.slice(0, 2000))}`)
      throw new EffuseError({ code: codeIn(said, isJson), message: 'refused' })
    } finally {
      process.chdir(home)
    }
  },
}

/** The help, which is printed if no command is named, has no code. */
const codeIn = (said: string, isJson: boolean): ErrorCode => {
  const found = isJson
    ? (JSON.parse(said) as { readonly error: { readonly code: string } }).error.code
    : /EF\d+/.exec(said)?.[0]
  return (found ?? 'EF601') as ErrorCode // written by effuse
}
