/** Checks the import lines of src against the table of allowed imports in scripts/support/layers.ts. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { layers, layersPicture } from '../scripts/support/layers.ts'
import { type Import, importsInText, importsOf, sourceFiles } from './support/source-imports.ts'

/** Dynamic imports that may go to a higher layer: the executable loads reports on demand. */
const alsoDynamically: Readonly<Record<string, readonly string[]>> = { compile: ['inspect'] }

/** Files that only Node loads, including Node's implementations of `#platform`, `#backends` and `#peers`. */
const nodeOnly = [
  'src/node.ts',
  'src/cli/',
  'src/data/',
  'src/setup/',
  'src/train/directory.ts',
  'src/platform/node',
  'src/backends/node',
  'src/backends/tensorflow/',
  'src/export/savedmodel/',
  'src/peers/node.ts',
  'src/peers/tfjs',
  'src/peers/onnxruntime.ts',
  'src/peers/python',
]

/** Packages, and the files that may import them. Other packages may not be imported. */
const packages: readonly { readonly name: RegExp; readonly files: readonly string[]; readonly why: string }[] = [
  { name: /^node:/, files: nodeOnly, why: 'a browser bundle never pulls in Node-only code' },
  { name: /^onnxruntime-node$/, files: ['src/peers/onnxruntime.ts'], why: 'it is native, and an optional peer' },
  { name: /^immer$/, files: ['src/ir/edit.ts'], why: 'graphs are changed through Edit' },
  {
    name: /^@tensorflow\//,
    files: ['src/backends/tfjs/', 'src/backends/tensorflow/', 'src/peers/'],
    why: 'tfjs is an optional peer',
  },
  {
    name: /^@bufbuild\/protobuf/,
    files: ['src/backends/tensorflow/', 'src/export/'],
    why: 'only the code that reads or writes messages uses them',
  },
  { name: /^@noble\/hashes\//, files: ['src/ir/', 'src/platform/', 'src/io/'], why: 'hashing belongs to few' },
  { name: /^entities\//, files: ['src/inspect/'], why: 'only reports are HTML' },
  { name: /^commander$/, files: ['src/cli/'], why: 'only the command line has arguments to read' },
  { name: /^cli-progress$/, files: ['src/platform/node-progress-bar.ts'], why: 'bars are drawn in one place, on Node' },
  {
    name: /^koffi$/,
    files: ['src/backends/tensorflow/', 'src/data/libjpeg-turbo.ts'],
    why: 'it calls libraries of C, and is an optional peer',
  },
  { name: /^sharp$/, files: ['src/data/', 'src/platform/node'], why: 'sharp is native and an optional peer' },
  {
    name: /^fast-check$/,
    files: ['src/testing/fast-check.ts'],
    why: 'that file says what to install where it is missing',
  },
]

const layerOf = (file: string): keyof typeof layers | null => {
  const names = Object.keys(layers) as (keyof typeof layers)[] // Object.keys forgets the keys' type
  return names.find((name) => isIn(file, layers[name].files)) ?? null
}

/** A place is a file, a folder with a slash at its end, or the start of a name. */
const isIn = (file: string, places: readonly string[]): boolean => places.some((place) => file.startsWith(place))

/** The fault of an import, as one line; null if it is allowed. */
const problemOf = (found: Import): string | null => {
  const where = `${found.file}:${found.line} imports ${found.specifier}`
  if (found.target === null) {
    const rule = packages.find(({ name }) => name.test(found.specifier))
    if (rule === undefined) return `${where}: a package that no table of test/layers.test.ts lists`
    return isIn(found.file, rule.files) ? null : `${where}: only ${rule.files.join(', ')} may (${rule.why})`
  }
  const [from, to] = [layerOf(found.file), layerOf(found.target)]
  if (from === null || to === null) return `${where}: ${from === null ? found.file : found.target} is in no layer`
  const allowed: readonly string[] | 'all' = layers[from].imports
  if (from === to || allowed === 'all' || allowed.includes(to)) return null
  if (found.kind === 'dynamic' && (alsoDynamically[from] ?? []).includes(to)) return null
  return `${where}: ${from} may not import ${to}`
}

const problemsOf = (imports: readonly Import[]): readonly string[] =>
  imports.map(problemOf).filter((problem) => problem !== null)

const sources = sourceFiles('src')
const imports = new Map(sources.map((file) => [file, importsOf(file)]))

/** The files in a browser bundle of these entries, each with the file that imports it first. */
const reachableFrom = (entries: readonly string[]): ReadonlyMap<string, string | null> => {
  const reached = new Map<string, string | null>(entries.map((entry) => [entry, null]))
  // Iteration over a Map also visits entries that are added during it.
  for (const file of reached.keys()) {
    for (const { target, kind } of imports.get(file) ?? []) {
      if (target !== null && kind !== 'type' && !reached.has(target)) reached.set(target, file)
    }
  }
  return reached
}

const chainTo = (file: string, reached: ReadonlyMap<string, string | null>): string => {
  const from = reached.get(file)
  return from === null || from === undefined ? file : `${chainTo(from, reached)} -> ${file}`
}

test('ARCHITECTURE.md has the picture of this table (npm run docs)', () => {
  expect(readFileSync(new URL('../ARCHITECTURE.md', import.meta.url), 'utf8')).toContain(layersPicture())
})

test('every file of src belongs to a layer', () => {
  expect(sources.length).toBeGreaterThan(0)
  expect(sources.filter((file) => layerOf(file) === null)).toEqual([])
})

test('imports go downwards, and packages are imported only where they belong', () => {
  expect([...imports.values()].flatMap(problemsOf)).toEqual([])
})

test('browser bundles import nothing from Node', () => {
  const entries = [
    'src/index.ts',
    'src/compiler.ts',
    'src/testing/index.ts',
    'src/backends/tfjs/index.ts',
    'src/export/index.ts',
  ]
  const reached = reachableFrom(entries)
  const wrong = [...reached.keys()].filter((file) => isIn(file, nodeOnly) || !imports.has(file))
  expect(wrong.map((file) => chainTo(file, reached))).toEqual([])
})

test.each([
  ['src/ir/print.ts', "import type { Pass } from '../passes/pass.ts'", 'ir may not import passes'],
  ['src/passes/cse.ts', "export { x } from '../backends/tfjs/index.ts'", 'passes may not import backends'],
  ['src/passes/cse.ts', "const x = await import('../compile.ts')", 'passes may not import compile'],
  ['src/executable/results.ts', "import { report } from '../inspect/report.ts'", 'compile may not import inspect'],
  ['src/models/efficientnet.ts', "import { x } from '../backends/backend.ts'", 'models may not import backends'],
  ['src/passes/cse.ts', "import { produce } from 'immer'", 'only src/ir/edit.ts may'],
  [
    'src/backends/common/x.ts',
    "type T = import('@tensorflow/tfjs-core').Tensor",
    'only src/backends/tfjs/, src/backends/tensorflow/, src/peers/ may',
  ],
  ['src/io/safetensors.ts', "import { readFile } from 'node:fs/promises'", 'only src/node.ts'],
  ['src/train/progress.ts', "import { SingleBar } from 'cli-progress'", 'only src/platform/node-progress-bar.ts may'],
  ['src/io/safetensors.ts', "import 'left-pad'", 'a package that no table'],
  ['src/ir/print.ts', "import x from '../elsewhere/x.ts'", 'src/elsewhere/x.ts is in no layer'],
])('%s may not: %s', (file, text, problem) => {
  const found = importsInText(file, text)
  expect(found).toHaveLength(1)
  expect(problemsOf(found)).toEqual([expect.stringContaining(problem)])
})

test.each([
  ['src/executable/executable.ts', "const { report } = await import('../inspect/report.ts')"],
  ['src/passes/cse.ts', "import type { Node } from '../ir/types.ts'"],
  ['src/backends/select.ts', "import { catalog } from '#backends'"],
  ['src/platform/node.ts', "import { readFile } from 'node:fs/promises'"],
])('%s may: %s', (file, text) => {
  const found = importsInText(file, text)
  expect(found).toHaveLength(1)
  expect(problemsOf(found)).toEqual([])
})
