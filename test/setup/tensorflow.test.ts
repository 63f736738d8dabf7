/** `effuse setup tensorflow` with a small wheel and fake programs: what it installs, and its messages when a step fails. */
import { existsSync, lstatSync, mkdirSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { findTensorflow as find } from '../../src/backends/tensorflow/find-library.ts'
import { removeTensorflow, setupTensorflow } from '../../src/setup/tensorflow.ts'
import { enterPlace, filesIn, type Instead, hookMs, leavePlace, options, type Place, writePackage } from './fakes.ts'

let place: Place
beforeEach(() => {
  place = enterPlace()
}, hookMs)
afterEach(() => leavePlace(place), hookMs)

const findTensorflow = () => find([join(place.project, 'package.json')])
const version = (): string => join(place.cache, '9.9.9-cpu')

test('unpacks the libraries, the headers of the C API and CUDA, and nothing else; the backend finds it', async () => {
  const run = options(place)
  const report = await setupTensorflow(run)
  expect(report).toMatchObject({ version: '9.9.9', kind: 'cpu', folder: version(), wasThere: false, koffi: '3.3.4' })
  expect(filesIn(version())).toEqual([
    'setup.json',
    'site-packages/nvidia/cublas/lib/libcublas.so.12',
    'site-packages/nvidia/cuda_nvcc/bin/ptxas',
    'site-packages/tensorflow/include/tensorflow/c/c_api.h',
    'site-packages/tensorflow/include/tsl/platform/ctstring.h',
    'site-packages/tensorflow/libtensorflow_cc.so.2',
    'site-packages/tensorflow/libtensorflow_framework.so.2',
    'site-packages/tensorflow_cpu-9.9.9.dist-info/METADATA',
  ])
  expect(statSync(join(version(), 'site-packages/nvidia/cuda_nvcc/bin/ptxas')).mode & 0o111).not.toBe(0)
  expect(findTensorflow()).toMatchObject({ version: '9.9.9', kind: 'cpu', source: 'setup' })
  expect(filesIn(place.cache).filter((name) => name.startsWith('unfinished') || name.startsWith('.run-lock'))).toEqual(
    [],
  )
})

test('a second call downloads nothing', async () => {
  await setupTensorflow(options(place))
  const again = options(place)
  expect(await setupTensorflow(again)).toMatchObject({ wasThere: true })
  expect(again.tools.calls.filter((call) => call.startsWith('pip') || call.startsWith('npm'))).toEqual([])
})

test('two concurrent calls: the second waits with a message, and uses the result of the first', async () => {
  const [one, two] = [options(place), options(place)]
  const reports = await Promise.all([setupTensorflow(one), setupTensorflow(two)])
  expect(reports.map((report) => report.wasThere).sort()).toEqual([false, true])
  expect([...one.tools.calls, ...two.tools.calls].filter((call) => call === 'pip download')).toHaveLength(1)
  expect([...one.said, ...two.said].join('\n')).toMatch(/another setup is running; waiting until it ends .*process \d+/)
})

test('damaged parts of the cache are installed again', async () => {
  await setupTensorflow(options(place))
  const cublas = join(version(), 'site-packages/nvidia/cublas/lib/libcublas.so.12')
  expect(statSync(cublas).size).toBe(64)
  rmSync(cublas)
  const missing = `${cublas} is missing`
  expect(findTensorflow()).toEqual({ missing, fix: 'npx effuse setup tensorflow' })
  const again = options(place)
  expect(await setupTensorflow(again)).toMatchObject({ wasThere: false })
  expect(again.said).toContain(`${missing}, so it is installed again`)
  expect(findTensorflow()).toMatchObject({ source: 'setup' })
})

test('missing packages are installed from npm into the cache, without install scripts; the project does not change', async () => {
  rmSync(join(place.project, 'node_modules'), { recursive: true })
  const run = options(place)
  const report = await setupTensorflow(run)
  expect(report.koffi).toBe('3.3.4')
  expect(report.bindings).toMatchObject([{ package: '@tensorflow/tfjs-node' }])
  expect(existsSync(join(place.cache, 'packages/koffi/node_modules/koffi/package.json'))).toBe(true)
  expect(existsSync(join(place.cache, 'packages/@tensorflow+tfjs-node/node_modules/@tensorflow/tfjs-node'))).toBe(true)
  expect(filesIn(place.project)).toEqual([])
})

describe('the binding', () => {
  test('no compiler: effuse runs without it, and the report says what failed', async () => {
    writePackage(place.project, '@tensorflow/tfjs-node', '4.22.0')
    writePackage(place.project, 'node-gyp', '12.4.0')
    const instead: Instead = (_, args) =>
      args[1] === 'rebuild'
        ? { code: 1, output: 'gyp ERR! stack Error: not found: make\ngyp ERR! not ok\n' }
        : undefined
    const report = await setupTensorflow(options(place, instead))
    expect(report.bindings).toMatchObject([
      {
        package: '@tensorflow/tfjs-node',
        state: 'failed',
        problem: expect.stringContaining('cannot be compiled: Error: not found: make'),
        fix: expect.stringMatching(/C\+\+ compiler.*npx effuse setup tensorflow/),
      },
    ])
    expect(findTensorflow()).toMatchObject({ source: 'setup' })
    expect(filesIn(place.cache).filter((name) => name.startsWith('bindings'))).toEqual([])
  })

  test('a binding that does not load counts as missing, and the next call builds it again', async () => {
    const folder = writePackage(place.project, '@tensorflow/tfjs-node', '4.22.0')
    const first = await setupTensorflow(options(place))
    expect(first.bindings).toMatchObject([
      { state: 'failed', version: null, problem: expect.stringMatching(/invalid ELF|too short/) },
    ])
    const again = options(place)
    await setupTensorflow(again)
    expect(again.tools.calls).toContain('node-gyp rebuild')
    expect(lstatSync(join(folder, 'lib')).isSymbolicLink()).toBe(true)
  })
})

test('--remove removes the cache and the links in packages, and reports them; a second time it reports nothing', async () => {
  const folder = writePackage(place.project, '@tensorflow/tfjs-node', '4.22.0')
  const run = options(place)
  await setupTensorflow(run)
  const removed = await removeTensorflow(run)
  expect(removed).toContain(version())
  expect(removed).toContain(`the links in ${folder}`)
  expect(filesIn(place.cache)).toEqual([])
  expect(filesIn(folder)).toEqual(['binding.gyp', 'binding/tfjs_binding.cc', 'package.json'])
  expect(await removeTensorflow(run)).toEqual([])
})

test('--remove keeps foreign files', async () => {
  const folder = writePackage(place.project, '@tensorflow/tfjs-node-gpu', '4.22.0')
  mkdirSync(join(place.folder, 'elsewhere'))
  symlinkSync(join(place.folder, 'elsewhere'), join(folder, 'lib'))
  expect(await removeTensorflow(options(place))).toEqual([])
  expect(lstatSync(join(folder, 'lib')).isSymbolicLink()).toBe(true)
})
