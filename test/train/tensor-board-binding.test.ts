/** tensorBoard() if tfjs-node or its binding is missing or broken: in a separate project and a separate process. */
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { bindingFile, tfjsNodeNames } from '../../src/backends/tensorflow/tfjs-node.ts'

let folder: string
beforeAll(async () => {
  // Outside of this repository, so that its packages are not found.
  folder = mkdtempSync(join(tmpdir(), 'effuse-no-binding-'))
  await build({
    entryPoints: [fileURLToPath(new URL('../../src/train/tensor-board.ts', import.meta.url))],
    outfile: join(folder, 'tensor-board.mjs'),
    ...{ bundle: true, platform: 'node', format: 'esm', target: 'node20' },
    conditions: ['effuse-source', 'node', 'import'],
  })
  writeFileSync(
    join(folder, 'program.mjs'),
    `import { tensorBoard } from './tensor-board.mjs'
     const { code, message, hint } = await tensorBoard('board').then(() => ({}), (error) => error)
     console.log(JSON.stringify({ code, message, hint }))`,
  )
})
beforeEach(() => rmSync(join(folder, 'node_modules'), { recursive: true, force: true }))
afterAll(() => rmSync(folder, { recursive: true }))

/** Installs a package of tfjs-node's name in the project, as `npm install` without install scripts leaves it. */
const install = (name: string): string => {
  const place = join(folder, 'node_modules', ...name.split('/'))
  mkdirSync(place, { recursive: true })
  writeFileSync(join(place, 'package.json'), JSON.stringify({ name, version: '4.22.0', main: 'index.js' }))
  return place
}

const errorOf = async (): Promise<unknown> => {
  const { stdout } = await promisify(execFile)(process.execPath, ['program.mjs'], {
    cwd: folder,
    // An empty cache: setup has installed no package there.
    env: { ...process.env, XDG_CACHE_HOME: join(folder, 'cache') },
  })
  expect(readdirSync(folder)).not.toContain('board')
  return JSON.parse(stdout)
}
const hint = 'npx effuse setup tensorflow'

test('without a package of tfjs-node: the error has the install command', async () => {
  expect(await errorOf()).toEqual({ code: 'EF404', message: 'tfjs-node is not installed', hint })
})

test.each(tfjsNodeNames)('%s without a binding: the error names the package and the command', async (name) => {
  install(name)
  expect(await errorOf()).toEqual({ code: 'EF404', message: `${name} has no binding to TensorFlow`, hint })
})

test('both packages without a binding: the error names both', async () => {
  for (const name of tfjsNodeNames) install(name)
  const message = '@tensorflow/tfjs-node-gpu and @tensorflow/tfjs-node have no binding to TensorFlow'
  expect(await errorOf()).toEqual({ code: 'EF404', message, hint })
})

test('a binding that does not load: the error has the reason', async () => {
  const name = '@tensorflow/tfjs-node'
  const place = install(name)
  const file = bindingFile({ name, version: '4.22.0', folder: place, isProject: true })
  mkdirSync(join(file, '..'), { recursive: true })
  writeFileSync(file, 'no library')
  writeFileSync(join(place, 'index.js'), `module.exports = require(${JSON.stringify(file)})`)
  expect(await errorOf()).toEqual({
    code: 'EF404',
    message: expect.stringMatching(/^@tensorflow\/tfjs-node does not load: .*tfjs_binding\.node/),
    hint,
  })
})
