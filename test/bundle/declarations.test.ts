/**
 * The published declarations in a project with strict settings and no other package. They are also checked, not skipped. `effuse/testing` is
 * excluded, because its generators have types of fast-check.
 */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Packed, packed } from '../support/packed.ts'

const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc')

const program = `
import { compile, float32, graph, nn, relu } from 'effuse'
import { print } from 'effuse/compiler'
import { doctor } from 'effuse/inspect'
import { directory } from 'effuse/node'
import { toTensor } from 'effuse/tfjs'
const net = await compile(graph('net', { x: float32('batch', 2) }, ({ x }) => ({ y: relu(nn.dense(x, { name: 'd', units: 3 })) })))
const values: Float32Array = await (await net.run({ x: [[1, 2]] })).y.data()
net.dispose()
export const parts = [values, print, doctor, directory, toTensor]
`

let install: Packed
beforeAll(() => {
  install = packed({ declarations: true })
  writeFileSync(join(install.folder, 'net.ts'), program)
}, 300_000)
afterAll(() => install.remove())

/** The errors of tsc for a file with these options. */
const toldBy = (name: string, options: object): string => {
  const compilerOptions = {
    ...{ strict: true, exactOptionalPropertyTypes: true, noEmit: true, skipLibCheck: false },
    ...{ target: 'es2022', types: [], ...options },
  }
  writeFileSync(join(install.folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: [name] }))
  return spawnSync(process.execPath, [tsc, '-p', install.folder], { encoding: 'utf8' }).stdout
}

const resolutions = {
  bundler: { moduleResolution: 'bundler', module: 'esnext' },
  nodenext: { moduleResolution: 'nodenext', module: 'nodenext' },
}
test.each([
  ['bundler', ['es2022', 'dom']],
  ['nodenext', ['es2022', 'dom']],
  ['bundler', ['es2022']],
  ['nodenext', ['es2022']],
] as const)(
  'moduleResolution %s, lib %j',
  (resolution, lib) => {
    expect(toldBy('net.ts', { ...resolutions[resolution], lib })).toBe('')
  },
  300_000,
)

test('parameters for a URL, a Blob or a signal accept only these types', () => {
  const url = `
import { compile, float32, graph } from 'effuse'
const net = await compile(graph('g', { x: float32(1) }, ({ x }) => ({ y: x })), { signal: new AbortController().signal })
await net.variables.load(new URL('https://example.org'))
await net.variables.load(new Blob([]))
// @ts-expect-error no source of weights
await net.variables.load({ href: 'net' })
// @ts-expect-error no signal
await compile(graph('g', { x: float32(1) }, ({ x }) => ({ y: x })), { signal: { aborted: false } })
`
  writeFileSync(join(install.folder, 'web.ts'), url)
  expect(toldBy('web.ts', { ...resolutions.nodenext, lib: ['es2022', 'dom'] })).toBe('')
}, 300_000)
