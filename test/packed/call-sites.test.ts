/** `built at` names the user's line in every kind of program: plain, with source maps, transpiled by tsx, in a bundle. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { build, transform } from 'esbuild'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Packed, packed } from '../support/packed.ts'

const program = `
interface Size { readonly of: number }
const size: Size = { of: 2 }
import { add, compile, efficientNet, float32, graph, nn, reshape } from 'effuse'
const messageOf = (build: () => unknown): string => {
  try {
    build()
    return 'nothing'
  } catch (error) {
    return (error as Error).message
  }
}
const b0 = efficientNet('b0', { resolution: 32 })
const network = await compile(b0, { backend: 'reference', xla: false }) // NETWORK: builds it for this batch size
console.log(JSON.stringify({
  op: messageOf(() => graph('g', { x: float32(2, 3) }, ({ x }) => ({
    y: add(x, reshape(x, [3, size.of])), // OP
  }))),
  layer: messageOf(() => graph('g', { x: float32(1, 2, 3, 1) }, ({ x }) => ({
    y: nn.conv2d(x, { name: 'c', filters: 1, kernel: 5, padding: 'valid' }), // LAYER
  }))),
  network: 'built at ' + network.explain('blocks.15/se/reduce').callSite,
}))
`
const marks = { op: 'OP', layer: 'LAYER', network: 'NETWORK' } as const
const lineOf = (mark: string): number => program.split('\n').findIndex((line) => line.includes(`// ${mark}`)) + 1

let project: Packed
beforeAll(async () => {
  // Then the frames of effuse are also renamed.
  project = packed({ maps: true })
  expect(existsSync(join(project.folder, 'node_modules/effuse/dist/ir/call-site.js.map'))).toBe(true)
  const at = (name: string): string => join(project.folder, name)
  writeFileSync(at('program.ts'), program)
  const { code, map } = await transform(program, { loader: 'ts', sourcemap: true, sourcefile: 'program.ts' })
  writeFileSync(at('transpiled.js'), `${code}\n//# sourceMappingURL=transpiled.js.map`)
  writeFileSync(at('transpiled.js.map'), map)
  const plain = await transform(program, { loader: 'ts' })
  writeFileSync(at('plain.js'), plain.code)
  for (const sourcemap of [true, false])
    await build({
      ...{ absWorkingDir: project.folder, entryPoints: ['program.ts'], bundle: true, platform: 'browser' },
      ...{ format: 'esm', outfile: sourcemap ? 'mapped.js' : 'unmapped.js', sourcemap, logLevel: 'error' },
      preserveSymlinks: true,
    })
}, 300_000)
afterAll(() => project.remove())

const run = (...args: readonly string[]): { readonly [name: string]: unknown } =>
  JSON.parse(execFileSync(process.execPath, args, { cwd: project.folder, encoding: 'utf8' }))

test.each([
  ['transpiled, with source maps', 'transpiled.js'],
  ['in a bundle, with source maps', 'mapped.js'],
])('%s: the line of the source', (_, file) => {
  const found = run('--enable-source-maps', file)
  for (const [name, mark] of Object.entries(marks))
    expect(found[name]).toContain(`built at ${join(project.folder, 'program.ts')}:${lineOf(mark)}:`)
})

test.each([[[]], [['--enable-source-maps']]])('without a map, node %j: the line that runs', (flags) => {
  const found = run(...flags, 'plain.js')
  const lines = readFileSync(join(project.folder, 'plain.js'), 'utf8').split('\n')
  const wanted = { op: 'add(x, ', layer: 'nn.conv2d(x', network: 'await compile(' }
  for (const [name, text] of Object.entries(wanted)) {
    const line = /built at (.*)\/plain\.js:(\d+):\d+/.exec(String(found[name]))
    expect([line?.[1], lines[Number(line?.[2]) - 1]?.replaceAll('"', "'")]).toEqual([
      project.folder,
      expect.stringContaining(text),
    ])
  }
})

test('in a bundle without a map: none, instead of a line of effuse', () => {
  const found = run('unmapped.js')
  expect(found['op']).toContain('shapes do not broadcast')
  expect(found['op']).not.toContain('built at')
  expect(found['network']).toBe('built at null')
})
