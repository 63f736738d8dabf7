/** `effuse setup tensorflow` when a step fails, or on a platform without TensorFlow: its messages, and that nothing partial is left. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { appendFileSync, chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { findTensorflow as find } from '../../src/backends/tensorflow/find-library.ts'
import { setupTensorflow } from '../../src/setup/tensorflow.ts'
import type { Done } from '../../src/setup/tools.ts'
import { enterPlace, filesIn, type Instead, hookMs, leavePlace, options, type Place } from './fakes.ts'

let place: Place
beforeEach(() => {
  place = enterPlace()
}, hookMs)
afterEach(() => leavePlace(place), hookMs)

const findTensorflow = () => find([join(place.project, 'package.json')])

/** Replaces the result of one call. */
const when =
  (matches: (program: string, args: readonly string[]) => boolean, done: Done | null): Instead =>
  (program, args) =>
    matches(program, args) ? done : undefined
const isPip = (_: string, args: readonly string[]): boolean => args.includes('download')
const isUnpack = (_: string, args: readonly string[]): boolean => args[0] === '-c' && args[2] === 'unpack'

describe('a failed step: the error has the cause and the next command, and nothing partial is left', () => {
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
      /it wrote no wheel/,
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

  test('a file size limit of the system during the real unpacking', async () => {
    // Each process that Python starts here may write files of at most 512 bytes.
    writeFileSync(join(place.folder, 'zeros'), Buffer.alloc(4096))
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

  test('a file that differs from the published one', async () => {
    const sha256 = place.wheel.sha256
    appendFileSync(place.wheelFile, 'more')
    await expect(setupTensorflow(options(place))).rejects.toMatchObject({
      code: 'EF603',
      message: expect.stringMatching(
        new RegExp(`has the SHA-256 [0-9a-f]{64}, but PyPI published ${sha256}; the file was removed`),
      ),
      hint: expect.stringMatching(/pip config list.*npx effuse setup tensorflow/),
    })
    expect(filesIn(place.cache)).toEqual([])
  })

  test('npm fails: the library stays, and the next call continues from there', async () => {
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
    ['download', 1e15, /the download of tensorflow-cpu 9.9.9 needs 2,000,000,000 MB, but only [\d,]+ MB are free/],
    ['unpacking', 1, /unpacking tensorflow_cpu needs 1,000,000,000 MB, but only [\d,]+ MB are free/],
  ])('too little space for the %s is detected before it starts', async (_, bytes, message) => {
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

const linux = { platform: 'linux', arch: 'x64', glibc: '2.36', nodeAbi: '115' } as const
test.each([
  [{ ...linux, platform: 'win32' as const, glibc: null }, /Windows/, /WSL2/],
  [{ ...linux, glibc: null }, /musl/, /bookworm-slim instead of node:22-alpine/],
  [{ ...linux, glibc: '2.26' }, /Linux with glibc 2.26/, /newer system/],
  [{ ...linux, arch: 'riscv64' }, /linux riscv64/, /tfjs-wasm/],
  [{ ...linux, platform: 'darwin' as const, glibc: null }, /macOS on Intel/, /container/],
  [{ ...linux, platform: 'freebsd' as const, glibc: null }, /freebsd x64/, /tfjs-wasm/],
])('platforms without a library are rejected by name: %o', async (system, message, hint) => {
  await expect(setupTensorflow(options(place, undefined, { system }))).rejects.toMatchObject({
    code: 'EF404',
    message: expect.stringMatching(message),
    hint: expect.stringMatching(hint),
  })
  expect(existsSync(place.cache)).toBe(false)
})

test('a GPU version must exist for the platform; a version must be in the table', async () => {
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
