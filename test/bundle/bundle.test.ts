/** The bundle of a web page: three bundlers build it without peers, it is small, it omits unused code, and it runs. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build as esbuild } from 'esbuild'
import { build as vite } from 'vite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import webpack from 'webpack'
import { type Packed, packed } from '../support/packed.ts'

/** What the page runs: declares, compiles and runs a graph on the reference backend, and could do the rest. */
const full = `
import { add, compile, efficientNet, float32, graph, nn, openModel, read, softmax, trainingStep } from 'effuse'
export const parts = [nn, softmax, openModel, efficientNet, trainingStep]
export const run = async () => {
  const net = await compile(graph('double', { x: float32('batch', 2) }, ({ x }) => ({ y: add(x, x) })))
  return { backend: net.backend, y: [...(await read(await net.run({ x: [[1, 2.5]] }))).y] }
}
`
const tiny = `
import { add, float32, graph } from 'effuse'
export const run = async () => graph('double', { x: float32('batch', 2) }, ({ x }) => ({ y: add(x, x) })).at({ batch: 1 }).nodes.length
`

let install: Packed
let folder = ''
beforeAll(() => {
  install = packed() // no peer
  folder = install.folder
  writeFileSync(join(folder, 'full.js'), full)
  writeFileSync(join(folder, 'tiny.js'), tiny)
}, 60_000)
afterAll(() => install.remove())

/** Each bundler makes one minified module for browsers of an entry, and gives its text. */
const bundlers: { readonly [name: string]: (entry: string) => Promise<string> } = {
  esbuild: async (entry) => {
    const { outputFiles, warnings } = await esbuild({
      entryPoints: [join(folder, entry)],
      bundle: true,
      minify: true,
      format: 'esm',
      platform: 'browser',
      write: false,
      logLevel: 'silent',
      nodePaths: [join(folder, 'node_modules')],
      preserveSymlinks: true,
    })
    expect(warnings).toEqual([])
    return outputFiles[0]?.text ?? ''
  },
  vite: async (entry) => {
    const problems: string[] = []
    const result = await vite({
      root: folder,
      logLevel: 'silent',
      configFile: false,
      resolve: { preserveSymlinks: true },
      build: {
        write: false,
        minify: true,
        target: 'es2022',
        lib: { entry: join(folder, entry), formats: ['es'] },
        // One module: what is imported dynamically is in it.
        rollupOptions: {
          onwarn: (warning) => problems.push(warning.message),
          output: { inlineDynamicImports: true },
        },
      },
    })
    expect(problems).toEqual([])
    const [output] = Array.isArray(result) ? result : [result]
    const chunks = output !== undefined && 'output' in output ? output.output : []
    return chunks.map((chunk) => ('code' in chunk ? chunk.code : '')).join('\n')
  },
  webpack: (entry) =>
    new Promise((resolve, reject) => {
      const out = join(folder, `out-${entry}`)
      webpack(
        {
          mode: 'production',
          target: 'web',
          context: folder,
          entry: join(folder, entry),
          experiments: { outputModule: true },
          performance: false,
          plugins: [new webpack.optimize.LimitChunkCountPlugin({ maxChunks: 1 })],
          resolve: { symlinks: false },
          output: { path: out, filename: 'bundle.mjs', library: { type: 'module' } },
        },
        (error, stats) => {
          const problems = stats?.toJson({ all: false, errors: true, warnings: true })
          const found = [...(problems?.errors ?? []), ...(problems?.warnings ?? [])].map((p) => p.message)
          if (error !== null || found.length > 0) return reject(error ?? new Error(found.join('\n')))
          resolve(
            readdirSync(out)
              .map((name) => readFileSync(join(out, name), 'utf8'))
              .join('\n'),
          )
        },
      )
    }),
}

const gzipped = (text: string): number => gzipSync(text, { level: 9 }).length

describe.each(Object.keys(bundlers))('%s', (name) => {
  const bundle = (entry: string): Promise<string> => bundlers[name]?.(entry) ?? Promise.reject(new Error(name))
  test('builds with no peer installed, below 220 KB gzipped with generated WebAssembly, drops what is not used, and the result runs', async () => {
    const [all, little] = [await bundle('full.js'), await bundle('tiny.js')]
    expect(gzipped(all)).toBeLessThan(220_000)
    expect(gzipped(little)).toBeLessThan(0.8 * gzipped(all))
    // ImageNet's labels come with openModel alone.
    expect(all).toContain('tabby')
    expect(little).not.toContain('tabby')
    for (const text of [all, little])
      expect(text).not.toMatch(
        /(?:from|import\(|require\()\s*["']@tensorflow|from\s*["']node:|import\(["']node:|require\(["']node:/,
      )
    const path = join(folder, `${name}.mjs`)
    writeFileSync(path, all)
    const { run } = (await import(/* @vite-ignore */ pathToFileURL(path).href)) as {
      readonly run: () => Promise<unknown>
    }
    expect(await run()).toEqual({ backend: 'wasm', y: [2, 5] })
  }, 180_000)
})

test('with splitting a page first loads what it needs at once, below 115 KB gzipped: readers of files, labels and the judge of passes come on demand', async () => {
  const { outputFiles, metafile } = await esbuild({
    ...{ entryPoints: [join(folder, 'full.js')], bundle: true, minify: true, format: 'esm', platform: 'browser' },
    ...{ splitting: true, outdir: join(folder, 'split'), write: false, metafile: true, logLevel: 'silent' },
    ...{ nodePaths: [join(folder, 'node_modules')], preserveSymlinks: true, absWorkingDir: folder },
  })
  const texts = new Map(outputFiles.map(({ path, text }) => [basename(path), text]))
  const first = new Set<string>()
  const load = (path: string): void => {
    if (first.has(path)) return
    first.add(path)
    for (const { kind, path: other, external } of metafile.outputs[path]?.imports ?? [])
      if (kind === 'import-statement' && external !== true) load(other)
  }
  load(Object.keys(metafile.outputs).find((path) => basename(path) === 'full.js') ?? '')
  const textOf = (paths: Iterable<string>): string =>
    [...paths].map((path) => texts.get(basename(path)) ?? '').join('\n')
  const [initial, all] = [textOf(first), textOf(Object.keys(metafile.outputs))]
  expect(gzipped(initial)).toBeLessThan(115_000)
  for (const word of ['tabby', 'a gzip archive', 'torch.save', 'the weights fit no variant']) {
    expect(all).toContain(word)
    expect(initial).not.toContain(word)
  }
})
