/** The bundle of a web page: three bundlers build it without peers, it is small, it omits unused code, and it runs. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build as esbuild } from 'esbuild'
import { build as vite } from 'vite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import webpack from 'webpack'
import { type Packed, packed } from '../support/packed.ts'

/** A page that declares, compiles and runs a graph, and imports the rest. */
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
/** A page that runs a network on generated WebAssembly. */
const inference = `
import { compile, efficientNet, read } from 'effuse'
import { createWasmBackend } from 'effuse/wasm'
export const run = async () => {
  const backend = await createWasmBackend({ threads: 1 })
  const blocks = [{ kernel: 3, repeats: 2, filters: 8, expand: 2, strides: 1 }]
  const net = await compile(efficientNet('b0', { classes: 3, resolution: 16, blocks }), { backend })
  const { probabilities } = await read(await net.run({ image: new Float32Array(16 * 16 * 3) }))
  net.dispose()
  backend.dispose()
  return [...probabilities]
}
`

let install: Packed
let folder = ''
beforeAll(() => {
  install = packed() // no peer
  folder = install.folder
  writeFileSync(join(folder, 'full.js'), full)
  writeFileSync(join(folder, 'tiny.js'), tiny)
  writeFileSync(join(folder, 'inference.js'), inference)
}, 300_000)
afterAll(() => install.remove())

/** Each bundler builds one minified module for browsers from an entry, and returns its text. */
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
        // One module, including dynamic imports.
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

/** The largest sizes of everything in one module, gzipped. Vite keeps the white space of libraries. */
const most: { readonly [name: string]: number } = { esbuild: 192_000, vite: 213_000, webpack: 184_000 }

describe.each(Object.keys(bundlers))('%s', (name) => {
  const bundle = (entry: string): Promise<string> => bundlers[name]?.(entry) ?? Promise.reject(new Error(name))
  test(`builds with no peer installed, below ${Number(most[name]) / 1000} KB gzipped, drops what is not used, and the result runs`, async () => {
    const [all, little] = [await bundle('full.js'), await bundle('tiny.js')]
    expect(gzipped(all)).toBeLessThan(Number(most[name]))
    expect(gzipped(little)).toBeLessThan(0.15 * gzipped(all))
    // ImageNet's labels come with openModel alone, gradients with trainingStep().
    for (const word of ['tabby', 'cannot be differentiated']) {
      expect(all).toContain(word)
      expect(little).not.toContain(word)
    }
    // The documentation of ops comes with effuse/compiler alone.
    expect(all).not.toContain('graph example')
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

/** The files that esbuild makes of an entry with splitting, and the names of those that a page loads at once. */
const splitUp = async (entry: string) => {
  const { outputFiles, metafile } = await esbuild({
    ...{ entryPoints: [join(folder, entry)], bundle: true, minify: true, format: 'esm', platform: 'browser' },
    ...{ splitting: true, outdir: join(folder, 'split'), write: false, metafile: true, logLevel: 'silent' },
    ...{ nodePaths: [join(folder, 'node_modules')], preserveSymlinks: true, absWorkingDir: folder },
  })
  const texts = new Map(outputFiles.map(({ path, text }) => [basename(path), text]))
  const first = new Set<string>()
  const load = (path: string): void => {
    if (first.has(basename(path))) return
    first.add(basename(path))
    for (const { kind, path: other, external } of metafile.outputs[path]?.imports ?? [])
      if (kind === 'import-statement' && external !== true) load(other)
  }
  load(Object.keys(metafile.outputs).find((path) => basename(path) === entry) ?? '')
  const textOf = (names: Iterable<string>): string => [...names].map((name) => texts.get(name) ?? '').join('\n')
  return { texts, first, initial: textOf(first), all: textOf(texts.keys()) }
}

test('with splitting a page first loads what it needs at once, below 86 KB gzipped: files of weights, labels, mixed precision, the code generator and the judge of passes come on demand', async () => {
  const { initial, all } = await splitUp('full.js')
  expect(gzipped(initial)).toBeLessThan(86_000)
  const onDemand = ['tabby', 'a gzip archive', 'torch.save', 'the weights fit no variant', 'the weights do not fit the']
  for (const word of [...onDemand, 'which fits no path', 'not fused:', 'i32x4.trunc_sat_f32x4_s']) {
    expect(all).toContain(word)
    expect(initial).not.toContain(word)
  }
})

test('a page that runs an EfficientNet on wasm loads less than 130 KB gzipped, and less than 161 KB if everything is in one module', async () => {
  const { texts, first, initial } = await splitUp('inference.js')
  expect(gzipped(initial)).toBeLessThan(130_000)
  // Nothing else is there to be loaded when it runs.
  const site = join(folder, 'site')
  mkdirSync(site)
  for (const name of first) writeFileSync(join(site, name), texts.get(name) ?? '')
  const { run } = (await import(/* @vite-ignore */ pathToFileURL(join(site, 'inference.js')).href)) as {
    readonly run: () => Promise<readonly number[]>
  }
  const probabilities = await run()
  expect(probabilities).toHaveLength(3)
  expect(probabilities.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 5)
  const whole = (await bundlers['esbuild']?.('inference.js')) ?? ''
  expect(gzipped(whole)).toBeLessThan(161_000)
  // A page that does not train has neither gradients nor optimizers.
  for (const word of ['cannot be differentiated', 'the loss needs an input']) {
    expect(whole).not.toContain(word)
    expect(initial).not.toContain(word)
  }
}, 180_000)
