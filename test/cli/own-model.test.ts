/** Users' own models by path, alone and with weights. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { execFile } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ownModuleOf } from '../../src/cli/common.ts'
import { compile } from '../../src/compile.ts'
import { openModel } from '../../src/models/open-model.ts'
import { smallNet } from '../train/small-data.ts'
import { run } from './command.ts'

/** Beside the built commands, so that Node finds the packages and effuse's own package.json. */
const built = fileURLToPath(new URL('../../dist/model-under-test', import.meta.url))
let folder = ''
/** The module under test as plain JavaScript, beside the packages. */
let bundle = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'effuse-own-'))
  await mkdir(built, { recursive: true })
  bundle = join(await mkdtemp(join(built, 'common-')), 'common.mjs')
  await build({
    entryPoints: [fileURLToPath(new URL('../../src/cli/common.ts', import.meta.url))],
    outfile: bundle,
    ...{ bundle: true, platform: 'node', format: 'esm', packages: 'external', target: 'node20' },
    conditions: ['effuse-source', 'node', 'import'],
  })
})
afterAll(async () => {
  await rm(folder, { recursive: true })
  await rm(join(bundle, '..'), { recursive: true })
})

test.each<[string, ReturnType<typeof ownModuleOf>]>([
  ['./net.js', { file: './net.js', exported: undefined }],
  ['./net.js#digits', { file: './net.js', exported: 'digits' }],
  ['net.ts#digits', { file: 'net.ts', exported: 'digits' }],
  ['/home/a#b/net.js', { file: '/home/a#b/net.js', exported: undefined }],
  ['/home/a#b/net.js#digits', { file: '/home/a#b/net.js', exported: 'digits' }],
  ['C:\\a#b\\net.mjs#$x', { file: 'C:\\a#b\\net.mjs', exported: '$x' }],
  ['./net#1.js', { file: './net#1.js', exported: undefined }],
  ['b9', null],
  ['b9#x', null],
])('%s', (name, wanted) => expect(ownModuleOf(name)).toEqual(wanted))

/** The error of plain Node for an invalid model. The loader of the tests reads TypeScript, and does not know such folders. */
const errorOf = async (name: string): Promise<string> => {
  const program = `import { modelByName } from ${JSON.stringify(bundle)}; await modelByName(${JSON.stringify(name)}).catch((e) => console.log(e.code, e.message, e.hint))`
  return (await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program])).stdout
}

test('a folder may have a # in its name', async () => {
  const file = join(folder, 'a#b', 'net.mjs')
  await mkdir(join(folder, 'a#b'))
  await writeFile(file, 'export const other = 1')
  expect(await errorOf(`${file}#digits`)).toContain('exports no model "digits"; it exports other')
  expect(await errorOf(file)).toContain('exports no model "default"; it exports other')
})

test('a run and a file of weights are opened and inspected', async () => {
  const model = smallNet()
  using net = await compile(model, { backend: 'reference' })
  const weights = await net.variables.save(join(folder, 'net.safetensors'))
  const made = join(folder, 'run')
  await mkdir(made)
  expect(await run('inspect', made)).toMatchObject({
    code: 1,
    err: expect.stringContaining('there is no checkpoint in'),
  })
  await writeFile(join(made, 'step-00000004.safetensors'), weights)
  await writeFile(join(made, 'step-00000012.safetensors'), weights)
  expect((await openModel(made)).resolution).toBe(8)
  await writeFile(join(made, 'best.safetensors'), new Uint8Array(9))
  await expect(openModel(made)).rejects.toMatchObject({ code: 'EF502' }) // the best is preferred
  await writeFile(join(made, 'best.safetensors'), await readFile(join(folder, 'net.safetensors')))
  for (const path of [made, join(folder, 'net.safetensors')]) {
    const { code, out } = await run('inspect', path, '--json', '--backend', 'reference')
    expect(code).toBe(0)
    expect(JSON.parse(out)).toMatchObject({ model: 'efficientnet-b0', train: false })
  }
  for (const [path, what] of [
    [made, 'a folder'],
    [join(folder, 'net.safetensors'), 'a file of weights'],
  ] as const)
    for (const command of ['inspect', 'bench'])
      expect(await run(command, '--model', path)).toMatchObject({
        code: 2,
        err: expect.stringMatching(RegExp(`EF602: .*is ${what}\\n.*: effuse inspect ${path}\\n`)),
      })
  expect(await run('inspect')).toMatchObject({ code: 2, err: expect.stringContaining('inspect needs --model') })
})

test('a TypeScript module loads if Node or a loader supports it; otherwise the error says how', async () => {
  const file = join(folder, 'net.ts')
  await writeFile(file, 'export const digits: number = 1')
  const said = await errorOf(`${file}#digits`)
  if (Number(process.versions.node.split('.')[0]) < 22) {
    expect(said).toMatch(/^EF602 the module .*net\.ts cannot be loaded/)
    expect(said).toContain("NODE_OPTIONS='--import tsx'")
  } else expect(said).toContain('exports no model "digits"; it exports digits')
})
