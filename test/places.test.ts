/**
 * How many files a new op, a new pass and a new backend touch. Each is added to an in-memory copy of the sources, which must type-check and behave as
 * intended. ARCHITECTURE.md names the files.
 */
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import ts from 'typescript'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))

/** A file and its text, or insertions after existing lines. */
type Place =
  | readonly [file: string, text: string]
  | readonly [file: string, ...(readonly [after: string, text: string][])]

interface Addition {
  readonly most: number
  readonly places: readonly Place[]
  /** A module. Its export `found` must equal `found` below. */
  readonly use: string
  readonly found: unknown
}

const op: Addition = {
  most: 6,
  places: [
    [
      'src/ir/ops/composite/softsign.ts',
      `import { ampAll, type CompositeDef, elementwiseCost, type OpDoc, type OpVjp } from '../../op-def.ts'
import { floatUnary, mapUnary, unaryExample } from '../elementwise/shared.ts'

export const softsignDoc: OpDoc = {
  summary: 'x / (1 + |x|).',
  constraints: ['C1: a float operand', 'C2: infinities give NaN', 'C3: half x is computed in float32'],
  example: /* @__PURE__ */ unaryExample('softsign'),
}

export const softsign: CompositeDef<'softsign'> = {
  name: 'softsign',
  level: 'composite',
  arity: 1,
  attrs: {},
  infer: floatUnary,
  evalRef: ({ inputs: [x] }) => mapUnary(x, (v) => v / (1 + Math.abs(v))),
  decompose: ({ inputs: [x], b }) => {
    const wide = b.cast(x, 'float32')
    return [b.cast(b.div(wide, b.add(1, b.abs(wide))), x.dtype)]
  },
  amp: ampAll('infer'),
  fusion: 'composite',
  tolerance: 'rounding',
  cost: elementwiseCost,
}

export const softsignVjp: OpVjp<'softsign'> = ({ outGrads: [g], inputs: [x], b }) => {
  const root = b.add(1, b.abs(x))
  return [b.div(g, b.mul(root, root))]
}
`,
    ],
    [
      'src/ir/ops/composite/index.ts',
      [
        "import { softmax, softmaxDoc, softmaxVjp } from './softmax.ts'\n",
        "import { softsign, softsignDoc, softsignVjp } from './softsign.ts'\n",
      ],
      ['  softmax,\n', '  softsign,\n'],
      ['  softmax: softmaxDoc,\n', '  softsign: softsignDoc,\n'],
      ['  softmax: softmaxVjp,\n', '  softsign: softsignVjp,\n'],
    ],
    ['src/ir/signatures.ts', ['  silu: Unary\n', '  softsign: Unary\n']],
    [
      'src/ir/functions/unary.ts',
      ["export const softplus: Unary = unary('softplus')\n", "export const softsign: Unary = unary('softsign')\n"],
    ],
    // Optional: an operator of ONNX instead of the decomposition.
    [
      'src/export/onnx/lower/composite.ts',
      [
        '  silu: lowerSilu,\n',
        `  softsign: ({ inputs: [x], types: [type], plan }) => [
    pointwise([x], type, plan, (names, call) => call('Softsign', names, { isMain: true })),
  ],
`,
      ],
    ],
  ],
  use: `
import { compile, float32, gradients, graph, read, reduceSum, softsign } from './src/index.ts'
import { parse, print } from './src/compiler.ts'
import { conformance } from './src/testing/index.ts'
import { createTfjsBackend } from './src/backends/tfjs/index.ts'
import { createWasmBackend } from './src/backends/wasm/index.ts'
import { exportOnnx } from './src/export/index.ts'
const model = graph('g', { x: float32(2) }, ({ x }) => {
  const y = softsign(x)
  return { y, dy: gradients(reduceSum(y), [x])[0] }
})
const text = print(model.at({ batch: 1 }))
const net = await compile(model, { backend: 'reference' })
const { y, dy } = await read(await net.run({ x: [1, -3] }))
const failures: object[] = []
let hasCases = true
const wasm = await createWasmBackend({ threads: 1 })
for (const backend of [await createTfjsBackend({ backend: 'cpu' }), wasm]) {
  const report = await conformance(backend, { ops: ['softsign'], runs: 10 })
  failures.push(...report.failures)
  hasCases &&= report.cases > 0
}
wasm.dispose()
const file = await exportOnnx(graph('g', { x: float32(2) }, ({ x }) => ({ y: softsign(x) })), { batch: 1 })
export const found = {
  y: [...y],
  dy: [...dy],
  reads: print(parse(text)) === text,
  failures,
  hasCases,
  hasOperator: new TextDecoder('latin1').decode(file).includes('Softsign'),
}`,
  found: { y: [0.5, -0.75], dy: [0.25, 0.0625], reads: true, failures: [], hasCases: true, hasOperator: true },
}

const pass: Addition = {
  most: 4,
  places: [
    [
      'src/passes/neg-of-sub.ts',
      `import { rulePass } from './rewrite/driver.ts'
import { rule } from './rewrite/rules.ts'

export const negOfSub = rulePass('neg-of-sub', 'one subtraction', [
  rule('neg(a - b) -> b - a', 'neg', (n, m) => {
    const [x] = n.inputs
    const inner = x === undefined ? undefined : m.def(x)
    const [a, b] = inner?.op === 'sub' ? inner.inputs : []
    return a === undefined || b === undefined ? null : m.b.emit1('sub', [b, a], {})
  }, 'rounding'),
])
`,
    ],
    [
      'src/passes/registry.ts',
      ["import { simplify } from './simplify/index.ts'\n", "import { negOfSub } from './neg-of-sub.ts'\n"],
      ['  plain(simplify),\n', '  plain(negOfSub),\n'],
    ],
    [
      'src/passes/pipelines.ts',
      ["import { simplify } from './simplify/index.ts'\n", "import { negOfSub } from './neg-of-sub.ts'\n"],
      ["  'simplify',\n", "  'neg-of-sub',\n"],
      [
        '    toInference, //                       first: the passes below do not handle model-form ops\n',
        '    negOfSub,\n',
      ],
    ],
    [
      'docs/passes.md',
      ['| `dce` | removes what no output needs | bits |\n', '| `neg-of-sub` | one subtraction | rounding |\n'],
    ],
  ],
  use: `
import { compile, float32, graph, neg, sub } from './src/index.ts'
import { parse, parsePipeline, print, graphOf, programOf, runPipeline } from './src/compiler.ts'
const g = graph('g', { a: float32(2), b: float32(2) }, ({ a, b }) => ({ y: neg(sub(a, b)) }))
const { program } = runPipeline(parsePipeline('neg-of-sub,dce'), programOf(g.at({ batch: 1 })), { verify: true })
const net = await compile(g, { backend: 'reference' })
export const found = {
  ops: graphOf(program).nodes.filter((n) => n !== null).map((n) => n.op),
  inPipeline: net.passes.some(({ name, changed }) => name === 'neg-of-sub' && changed),
}`,
  found: { ops: ['input', 'input', 'sub'], inPipeline: true },
}

const backend: Addition = {
  most: 4,
  places: [
    [
      'src/backends/toy/entry.ts',
      `import type { BackendEntry } from '../catalog.ts'
import { referenceBackend } from '../reference/index.ts'

export const toyEntry: BackendEntry = {
  name: 'toy',
  summary: 'a toy',
  probe: () => Promise.resolve({ isAvailable: true, detail: 'built in', fix: null }),
  open: () => Promise.resolve({ ...referenceBackend(), name: 'toy' }),
}
`,
    ],
    ['src/backends/catalog.ts', ['export const runningNames = [', "'toy', "]],
    [
      'src/backends/node.ts',
      ["import { referenceEntry } from './reference/entry.ts'\n", "import { toyEntry } from './toy/entry.ts'\n"],
      ['export const catalog: BackendCatalog = [\n', '  toyEntry,\n'],
    ],
    [
      'src/backends/browser.ts',
      ["import { referenceEntry } from './reference/entry.ts'\n", "import { toyEntry } from './toy/entry.ts'\n"],
      ['export const catalog: BackendCatalog = [', 'toyEntry, '],
    ],
  ],
  use: `
import { add, compile, float32, graph, read } from './src/index.ts'
import { doctor } from './src/inspect/index.ts'
const model = graph('g', { x: float32(2) }, ({ x }) => ({ y: add(x, x) }))
const [named, auto] = [await compile(model, { backend: 'toy' }), await compile(model)]
export const found = {
  named: named.backend,
  auto: auto.backend,
  y: [...(await read(await named.run({ x: [1, 2] }))).y],
  doctor: (await doctor()).backends.some(({ name, available }) => name === 'toy' && available),
}`,
  found: { named: 'toy', auto: 'toy', y: [2, 4], doctor: true },
}

const textOf = (file: string): string => readFileSync(join(root, file), 'utf8')

/** The changed files by path from the root. */
const changed = ({ places }: Addition): ReadonlyMap<string, string> =>
  new Map(
    places.map(([file, ...changes]) => {
      let text = typeof changes[0] === 'string' ? changes[0] : textOf(file)
      for (const change of changes) {
        if (typeof change === 'string') continue
        const [after, more] = change
        if (text.split(after).length !== 2) throw new Error(`${file} must have once: ${after}`)
        text = text.replace(after, () => after + more)
      }
      return [join(root, file), text]
    }),
  )

/** What tsc says of src with these files changed: of all of it, or of one file. */
const faultsOf = (files: ReadonlyMap<string, string>, only?: string): readonly string[] => {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile) as { config: object }
  const { options, fileNames } = ts.parseJsonConfigFileContent({ ...config, include: ['src'] }, ts.sys, root)
  const host = ts.createCompilerHost(options)
  const { getSourceFile, fileExists, readFile } = host
  host.fileExists = (path) => files.has(path) || fileExists(path)
  host.readFile = (path) => files.get(path) ?? readFile(path)
  host.getSourceFile = (path, ...rest) => {
    const text = files.get(path)
    return text === undefined ? getSourceFile(path, ...rest) : ts.createSourceFile(path, text, rest[0])
  }
  // The folder of a new file is not there.
  Reflect.deleteProperty(host, 'directoryExists')
  const program = ts.createProgram(fileNames, options, host)
  const source = only === undefined ? undefined : program.getSourceFile(join(root, only))
  return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].map(
    ({ file, messageText }) => `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`,
  )
}

/** What a module that uses the changed sources finds. */
const run = async (code: string, files: ReadonlyMap<string, string>): Promise<unknown> => {
  const folder = mkdtempSync(join(tmpdir(), 'effuse-places-'))
  try {
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
    const { outputFiles } = await build({
      stdin: { contents: code, resolveDir: root, loader: 'ts' },
      bundle: true,
      write: false,
      format: 'esm',
      platform: 'node',
      target: 'node20', // without `using`
      conditions: ['effuse-source', 'node'],
      external: ['@tensorflow/*', 'fast-check', 'onnxruntime-node', 'sharp'],
      plugins: [
        {
          name: 'additions',
          setup: ({ onResolve, onLoad }) => {
            onResolve({ filter: /^\..*\.ts$/ }, ({ path, importer, resolveDir }) => ({
              path: join(isAbsolute(importer) ? dirname(importer) : resolveDir, path),
            }))
            onLoad({ filter: /\.ts$/ }, ({ path }) => {
              const contents = files.get(path)
              return contents === undefined ? undefined : { contents, loader: 'ts' }
            })
          },
        },
      ],
    })
    const file = join(folder, 'bundle.mjs')
    writeFileSync(file, outputFiles[0]?.text ?? '')
    return ((await import(/* @vite-ignore */ pathToFileURL(file).href)) as { readonly found: unknown }).found
  } finally {
    rmSync(folder, { recursive: true })
  }
}

test.each([
  ['op', op],
  ['pass', pass],
  ['backend', backend],
])(
  'a new %s touches few files and works; ARCHITECTURE.md names the files',
  async (_name, addition) => {
    const files = changed(addition)
    expect(files.size).toBe(addition.places.length)
    expect(files.size).toBeLessThanOrEqual(addition.most)
    expect(await run(addition.use, files)).toEqual(addition.found)
    const page = textOf('ARCHITECTURE.md')
    const isNew = ([, first]: Place): boolean => typeof first === 'string'
    for (const place of addition.places) if (!isNew(place)) expect(page).toContain(`\`${place[0]}\``)
  },
  180_000,
)

test('all three type-check', () => {
  expect(faultsOf(new Map([op, pass, backend].flatMap((addition) => [...changed(addition)])))).toEqual([])
}, 180_000)

/** The file without the only match of this pattern. */
const without = (file: string, pattern: RegExp): ReadonlyMap<string, string> => {
  const parts = textOf(file).split(pattern)
  expect(parts).toHaveLength(2)
  return new Map([[join(root, file), parts.join('')]])
}

test('an op without its lowering does not type-check, nor does a composite without its decomposition', () => {
  const lowering = 'src/backends/tfjs/lower/elementwise.ts'
  expect(faultsOf(without(lowering, / {2}softplus: .*\n/), lowering)).toEqual([
    expect.stringContaining("'softplus' is missing"),
  ])
  const silu = 'src/ir/ops/composite/silu.ts'
  expect(faultsOf(without(silu, / {2}decompose: [\s\S]*?\n {2}},\n/), silu)).toEqual([
    expect.stringContaining("'decompose' is missing"),
  ])
}, 180_000)
