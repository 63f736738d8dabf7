/** Setup after a complete setup: the library, the binding and node-gyp are real, and the project belongs to the test. */
import { execFileSync } from 'node:child_process'
import { appendFileSync, cpSync, existsSync, lstatSync, mkdirSync, readlinkSync, rmSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { findTensorflow } from '../../src/backends/tensorflow/find-library.ts'
import { findPackage } from '../../src/backends/tensorflow/places.ts'
import { bindingFile } from '../../src/backends/tensorflow/tfjs-node.ts'
import { setupTensorflow } from '../../src/setup/tensorflow.ts'
import { realTools, type Tools } from '../../src/setup/tools.ts'
import { type Instead, makePlace, options, type Place } from './fakes.ts'

const library = findTensorflow()
const source = findPackage('@tensorflow/tfjs-node')
const isReady =
  'source' in library &&
  library.source === 'setup' &&
  library.kind === 'cpu' &&
  source !== null &&
  existsSync(bindingFile(source))
const reason = isReady ? '' : ' (skipped: setup has not installed TensorFlow for CPUs and the binding of tfjs-node)'

let place: Place
let folder: string
beforeEach(() => {
  place = makePlace()
  folder = join(place.project, 'node_modules', '@tensorflow', 'tfjs-node')
  mkdirSync(folder, { recursive: true })
  if (source !== null)
    for (const name of ['package.json', 'binding.gyp', 'binding'])
      cpSync(join(source.folder, name), join(folder, name), { recursive: true })
}, 300_000)
afterEach(() => place.remove(), 60_000)

/** Neither pip nor npm nor a compiler may run. */
const nothingFetched: Instead = (program, args) => {
  if (args.includes('download') || program === 'npm' || args[1] === 'rebuild')
    throw new Error(`${program} ${args.join(' ')}`)
  return undefined
}
const setup = () => {
  if ('missing' in library) throw new Error(library.missing)
  return setupTensorflow(options(place, nothingFetched, { version: library.version, wheels: undefined }))
}

test.runIf(isReady)(
  `a package without its binding, as npm ci leaves it, gets the link to the built one, and keeps it${reason}`,
  async () => {
    expect(await setup()).toMatchObject({ wasThere: true, bindings: [{ state: 'linked', problem: null }] })
    expect(await setup()).toMatchObject({ bindings: [{ state: 'there', problem: null }] })
    for (const name of ['lib', 'deps']) rmSync(join(folder, name))
    expect(await setup()).toMatchObject({ bindings: [{ state: 'linked', problem: null }] })
    rmSync(join(folder, 'deps'))
    expect(await setup()).toMatchObject({ bindings: [{ state: 'linked', problem: null }] })
  },
)

test.runIf(isReady)(`the package's own binding stays if it works; otherwise it is replaced${reason}`, async () => {
  if ('missing' in library || source === null) throw new Error('checked above')
  const file = bindingFile({ ...source, folder })
  cpSync(bindingFile(source), file, { dereference: true })
  mkdirSync(join(folder, 'deps', 'lib'), { recursive: true })
  const place = dirname(library.main)
  for (const name of ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'])
    symlinkSync(join(place, name), join(folder, 'deps', 'lib', name))
  expect(await setup()).toMatchObject({ bindings: [{ state: 'own', problem: null }] })
  expect(lstatSync(join(folder, 'lib')).isDirectory()).toBe(true)

  rmSync(join(folder, 'deps', 'lib', 'libtensorflow_cc.so.2'))
  expect(await setup()).toMatchObject({ bindings: [{ state: 'linked', problem: null }] })
  expect(readlinkSync(join(folder, 'lib'))).toContain(`${library.version}-cpu`)
})

test.runIf(isReady)(`without a compiler, the message of node-gyp is shown, and the rest works${reason}`, async () => {
  if ('missing' in library) throw new Error(library.missing)
  appendFileSync(join(folder, 'binding.gyp'), '# other sources: no binding of them is in the cache\n')
  const bin = join(place.folder, 'bin')
  mkdirSync(bin)
  const python = execFileSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).trim()
  symlinkSync(python, join(bin, 'python3'))
  const gyp = findPackage('node-gyp')
  if (gyp === null) throw new Error('a package of this repository')
  symlinkSync(gyp.folder, join(place.project, 'node_modules', 'node-gyp'))
  const run = options(place, undefined, { version: library.version, wheels: undefined })
  const real = realTools()
  const tools: Tools = {
    ...run.tools,
    run: (program, args, given) =>
      args[1] === 'rebuild'
        ? real.run(program, args, { ...given, environment: { PATH: bin } })
        : run.tools.run(program, args, given),
  }
  expect(await setupTensorflow({ ...run, tools })).toMatchObject({
    wasThere: true,
    bindings: [{ state: 'failed', problem: expect.stringMatching(/cannot be compiled: Error: not found: make$/) }],
  })
})
