/**
 * The declarations as they are published, in a project with strict settings and nothing else installed: they are checked
 * too, not skipped. `effuse/testing` is left out: its generators are those of fast-check.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
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

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'effuse-declarations-'))
  const effuse = join(folder, 'node_modules/effuse')
  mkdirSync(effuse, { recursive: true })
  const tsdown = join(root, 'node_modules/tsdown/dist/run.mjs')
  execFileSync(process.execPath, [tsdown, '--out-dir', join(effuse, 'dist'), '--log-level', 'error'], { cwd: root })
  cpSync(join(root, 'package.json'), join(effuse, 'package.json'))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  writeFileSync(join(folder, 'net.ts'), program)
}, 120_000)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test.each([
  ['bundler', 'esnext'],
  ['nodenext', 'nodenext'],
])(
  'moduleResolution %s, lib of ES2022 and the DOM',
  (moduleResolution, module) => {
    const compilerOptions = {
      ...{ strict: true, exactOptionalPropertyTypes: true, noEmit: true, skipLibCheck: false },
      ...{ target: 'es2022', lib: ['es2022', 'dom'], types: [], module, moduleResolution },
    }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['net.ts'] }))
    const { stdout } = spawnSync(process.execPath, [tsc, '-p', folder], { encoding: 'utf8' })
    expect(stdout).toBe('')
  },
  60_000,
)
