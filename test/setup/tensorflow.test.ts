/** `effuse setup tensorflow` with a small wheel and programs of the test's own: what it installs, and what it says when a step fails. */
import {
  appendFileSync,
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { findTensorflow as find } from '../../src/backends/tensorflow/find-library.ts'
import { removeTensorflow, setupTensorflow } from '../../src/setup/tensorflow.ts'
import type { Done } from '../../src/setup/tools.ts'
import { filesIn, type Instead, makePlace, options, type Place, writePackage } from './fakes.ts'

let place: Place
const hookMs = 60_000 // a busy disk
beforeEach(() => {
  place = makePlace()
  vi.stubEnv('XDG_CACHE_HOME', join(place.folder, 'cache'))
  vi.stubEnv('EFFUSE_TENSORFLOW', '')
}, hookMs)
afterEach(() => {
  vi.unstubAllEnvs()
  place.remove()
}, hookMs)

const findTensorflow = () => find([join(place.project, 'package.json')])
const version = (): string => join(place.cache, '9.9.9-cpu')

/** The call of one program ends otherwise. */
const when =
  (matches: (program: string, args: readonly string[]) => boolean, done: Done | null): Instead =>
  (program, args) =>
    matches(program, args) ? done : undefined
const isPip = (_: string, args: readonly string[]): boolean => args.includes('download')
const isUnpack = (_: string, args: readonly string[]): boolean => args[0] === '-c' && args[2] === 'unpack'

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

test('a second call fetches nothing', async () => {
  await setupTensorflow(options(place))
  const again = options(place)
  expect(await setupTensorflow(again)).toMatchObject({ wasThere: true })
  expect(again.tools.calls.filter((call) => call.startsWith('pip') || call.startsWith('npm'))).toEqual([])
})

test('two calls at once: the second waits, says so, and takes the result of the first', async () => {
  const [one, two] = [options(place), options(place)]
  const reports = await Promise.all([setupTensorflow(one), setupTensorflow(two)])
  expect(reports.map((report) => report.wasThere).sort()).toEqual([false, true])
  expect([...one.tools.calls, ...two.tools.calls].filter((call) => call === 'pip download')).toHaveLength(1)
  expect([...one.said, ...two.said].join('\n')).toMatch(/another setup is at work, waiting for it .*process \d+/)
})

test('what is damaged in the cache is installed again', async () => {
  await setupTensorflow(options(place))
  const cublas = join(version(), 'site-packages/nvidia/cublas/lib/libcublas.so.12')
  expect(statSync(cublas).size).toBe(64)
  rmSync(cublas)
  const missing = `${cublas} is missing`
  expect(findTensorflow()).toEqual({ missing, fix: 'npx effuse setup tensorflow' })
  const again = options(place)
  expect(await setupTensorflow(again)).toMatchObject({ wasThere: false })
  expect(again.said).toContain(`${missing}: installing it again`)
  expect(findTensorflow()).toMatchObject({ source: 'setup' })
})

test('what the project lacks comes from npm into the cache, without install scripts; the project stays as it is', async () => {
  rmSync(join(place.project, 'node_modules'), { recursive: true })
  const run = options(place)
  const report = await setupTensorflow(run)
  expect(report.koffi).toBe('3.3.4')
  expect(report.bindings).toMatchObject([{ package: '@tensorflow/tfjs-node' }])
  expect(existsSync(join(place.cache, 'packages/koffi/node_modules/koffi/package.json'))).toBe(true)
  expect(existsSync(join(place.cache, 'packages/@tensorflow+tfjs-node/node_modules/@tensorflow/tfjs-node'))).toBe(true)
  expect(filesIn(place.project)).toEqual([])
})

describe('a step that fails: what failed and the next command, and nothing half done', () => {
  test.each<[string, Instead, string, RegExp, RegExp]>([
    [
      'no Python',
      when((program) => program.startsWith('python'), null),
      'EF603',
      /Python 3 was not found/,
      /install Python 3 with pip .*npx effuse setup tensorflow/,
    ],
    [
      'Python without pip',
      when((_, args) => args[2] === '--version', { code: 1, output: '/usr/bin/python3: No module named pip\n' }),
      'EF603',
      /python3 has no pip.*No module named pip/,
      /python3-pip.*ensurepip.*npx effuse setup tensorflow/,
    ],
    [
      'no network',
      when(isPip, {
        code: 1,
        output:
          'WARNING: Retrying (Retry(total=0)) after connection broken\nERROR: Could not find a version that satisfies the requirement tensorflow-cpu==9.9.9 (from versions: none)\n',
      }),
      'EF603',
      /pip could not fetch tensorflow-cpu 9.9.9: ERROR: Could not find a version/,
      /python3 -m pip download --no-deps tensorflow-cpu==9.9.9.*npx effuse setup tensorflow/,
    ],
    [
      'a full disk while pip writes',
      when(isPip, { code: 1, output: 'ERROR: Could not install: [Errno 28] No space left on device\n' }),
      'EF501',
      /the disk of .* is full: pip could not finish the download/,
      /XDG_CACHE_HOME.*npx effuse setup tensorflow/,
    ],
    [
      'a full disk while it unpacks',
      when(isUnpack, { code: 3, output: 'ENOSPC /cache/libtensorflow_cc.so.2\n' }),
      'EF501',
      /the disk of .* is full: tensorflow_cpu could not be unpacked/,
      /XDG_CACHE_HOME/,
    ],
    [
      'pip says that it is done, and is not',
      when(isPip, { code: 0, output: '' }),
      'EF603',
      /it left no wheel/,
      /npx effuse setup tensorflow/,
    ],
  ])('%s', async (_, instead, code, message, hint) => {
    const failing = setupTensorflow(options(place, instead))
    await expect(failing).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
      hint: expect.stringMatching(hint),
    })
    expect(filesIn(place.cache)).toEqual([])
    expect(findTensorflow()).toMatchObject({ fix: 'npx effuse setup tensorflow' })
  })

  test('a file size limit of the system, met by the real unpacking', async () => {
    // Each process that Python starts from here may write files of at most 512 bytes.
    writeFileSync(join(place.folder, 'zeros'), Buffer.alloc(4096))
    const { execFileSync } = await import('node:child_process')
    execFileSync('python3', [
      '-c',
      'import sys, zipfile; zipfile.ZipFile(sys.argv[1], "a", zipfile.ZIP_DEFLATED).write(sys.argv[2], "nvidia/zeros")',
      place.wheelFile,
      join(place.folder, 'zeros'),
    ])
    const limited = join(place.folder, 'python3')
    writeFileSync(limited, '#!/bin/bash\nulimit -f 1\nexec python3 "$@"\n')
    chmodSync(limited, 0o755)
    const run = options(place)
    const { createHash } = await import('node:crypto')
    const bytes = readFileSync(place.wheelFile)
    const wheel = { ...place.wheel, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') }
    const tools = {
      ...run.tools,
      run: (...[program, args, given]: Parameters<typeof run.tools.run>) =>
        run.tools.run(isUnpack(program, args) ? limited : program, args, given),
    }
    await expect(setupTensorflow({ ...run, tools, wheels: [wheel] })).rejects.toMatchObject({
      code: 'EF501',
      message: expect.stringContaining('could not be unpacked'),
    })
    expect(filesIn(place.cache)).toEqual([])
  })

  test('another file than the one that was published', async () => {
    const sha256 = place.wheel.sha256
    appendFileSync(place.wheelFile, 'more')
    await expect(setupTensorflow(options(place))).rejects.toMatchObject({
      code: 'EF603',
      message: expect.stringMatching(
        new RegExp(`has SHA-256 [0-9a-f]{64}, and ${sha256} is published; it was removed`),
      ),
      hint: expect.stringMatching(/pip config list.*npx effuse setup tensorflow/),
    })
    expect(filesIn(place.cache)).toEqual([])
  })

  test('npm fails: the library stays, and the next call goes on from there', async () => {
    rmSync(join(place.project, 'node_modules'), { recursive: true })
    const instead = when((program) => program === 'npm', {
      code: 1,
      output: 'npm error code ENOTFOUND\nnpm error network request failed\n',
    })
    await expect(setupTensorflow(options(place, instead))).rejects.toMatchObject({
      code: 'EF603',
      message: 'npm could not install koffi@3.3.4: npm error network request failed',
      hint: expect.stringMatching(/npm view koffi@3.3.4 version.*npx effuse setup tensorflow/),
    })
    const again = options(place)
    expect(await setupTensorflow(again)).toMatchObject({ wasThere: true })
    expect(again.tools.calls).not.toContain('pip download')
  })

  test.each([
    ['download', 1e15, /the download of tensorflow-cpu 9.9.9 needs 2,000,000,000 MB, [\d,]+ MB are free/],
    ['unpacking', 1, /unpacking tensorflow_cpu needs 1,000,000,000 MB, [\d,]+ MB are free/],
  ])('less space than the %s needs is noticed before it begins', async (_, bytes, message) => {
    const instead: Instead = (_, args) => (args[2] === 'size' ? { code: 0, output: `${1e15}\n` } : undefined)
    const run = options(place, instead, { wheels: [{ ...place.wheel, bytes }] })
    await expect(setupTensorflow(run)).rejects.toMatchObject({
      code: 'EF501',
      message: expect.stringMatching(message),
      hint: expect.stringMatching(/XDG_CACHE_HOME.*npx effuse setup tensorflow/),
    })
    expect(filesIn(place.cache)).toEqual([])
  })

  test('a cache that is a file', async () => {
    writeFileSync(join(place.folder, 'cache'), '')
    await expect(setupTensorflow(options(place))).rejects.toMatchObject({
      code: 'EF501',
      message: expect.stringContaining('cannot write'),
      hint: expect.stringContaining('XDG_CACHE_HOME'),
    })
  })
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

  test('one that does not load counts as none, and is built again by the next call', async () => {
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

test('--remove takes away the cache and the links in packages, and says what; again, it says that nothing is there', async () => {
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

test('--remove leaves what is not its own', async () => {
  const folder = writePackage(place.project, '@tensorflow/tfjs-node-gpu', '4.22.0')
  mkdirSync(join(place.folder, 'elsewhere'))
  symlinkSync(join(place.folder, 'elsewhere'), join(folder, 'lib'))
  expect(await removeTensorflow(options(place))).toEqual([])
  expect(lstatSync(join(folder, 'lib')).isSymbolicLink()).toBe(true)
})

const linux = { platform: 'linux', arch: 'x64', glibc: '2.36', nodeAbi: '115' } as const
test.each([
  [{ ...linux, platform: 'win32' as const, glibc: null }, /Windows/, /WSL2/],
  [{ ...linux, glibc: null }, /musl/, /bookworm-slim instead of node:22-alpine/],
  [{ ...linux, glibc: '2.26' }, /Linux with glibc 2.26/, /newer system/],
  [{ ...linux, arch: 'riscv64' }, /linux riscv64/, /tfjs-wasm/],
  [{ ...linux, platform: 'darwin' as const, glibc: null }, /macOS on Intel/, /container/],
  [{ ...linux, platform: 'freebsd' as const, glibc: null }, /freebsd x64/, /tfjs-wasm/],
])('platforms that have no library are refused by name: %o', async (system, message, hint) => {
  await expect(setupTensorflow(options(place, undefined, { system }))).rejects.toMatchObject({
    code: 'EF404',
    message: expect.stringMatching(message),
    hint: expect.stringMatching(hint),
  })
  expect(existsSync(place.cache)).toBe(false)
})

test('a GPU version only where there is one; another version only of the table', async () => {
  const mac = { platform: 'darwin', arch: 'arm64', glibc: null, nodeAbi: '115' } as const
  const given = { wheels: undefined, version: '2.21.0' }
  await expect(
    setupTensorflow(options(place, undefined, { ...given, kind: 'gpu', system: mac })),
  ).rejects.toMatchObject({ code: 'EF404', message: expect.stringContaining('only available for Linux x64') })
  await expect(setupTensorflow(options(place, undefined, { ...given, version: '1.0.0' }))).rejects.toMatchObject({
    code: 'EF601',
    message: expect.stringContaining('--version must be one of 2.21.0'),
  })
})
