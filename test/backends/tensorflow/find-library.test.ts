/** The search for TensorFlow's library, and the errors for unusable ones, in folders that the test creates. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { libraryBytes, writePackage } from '../../setup/fakes.ts'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { findTensorflow as find, loadKoffi, requireTensorflow } from '../../../src/backends/tensorflow/find-library.ts'

let folder: string
/** The search from a project without packages. */
const findTensorflow = () => find([join(folder, 'package.json')])
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'effuse-find-'))
  vi.stubEnv('XDG_CACHE_HOME', join(folder, 'cache'))
  vi.stubEnv('EFFUSE_TENSORFLOW', '')
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(folder, { recursive: true })
})

const write = (place: string, bytes: Buffer | string = libraryBytes(), main = 'libtensorflow_cc.so.2'): string => {
  mkdirSync(place, { recursive: true })
  writeFileSync(join(place, 'libtensorflow_framework.so.2'), libraryBytes())
  writeFileSync(join(place, main), bytes)
  return join(place, main)
}

/** Creates a library as setup installs it. */
const install = (version: string, kind: 'cpu' | 'gpu', at = 1000): string => {
  const place = join(folder, 'cache', 'effuse', 'tensorflow', `${version}-${kind}`)
  const main = write(join(place, 'site-packages', 'tensorflow'))
  writeFileSync(
    join(place, 'setup.json'),
    JSON.stringify({ version, kind, libraries: { 'site-packages/tensorflow/libtensorflow_cc.so.2': 64 } }),
  )
  utimesSync(join(place, 'setup.json'), at, at)
  return main
}

test('if nothing is installed, the error names what is missing, and the command', () => {
  expect(findTensorflow()).toEqual({
    missing: "TensorFlow's library is not installed",
    fix: 'npx effuse setup tensorflow',
  })
})

test('a caller that requires the library gets EF404 with the command', () => {
  vi.stubEnv('EFFUSE_TENSORFLOW', folder)
  expect(() => requireTensorflow()).toThrowError(
    expect.objectContaining({ code: 'EF404', hint: expect.stringContaining('npx effuse setup tensorflow') }),
  )
})

test("tfjs-node's own download, not the links of setup", () => {
  const package_ = writePackage(folder, '@tensorflow/tfjs-node', '4.22.0')
  const main = write(join(package_, 'deps', 'lib'), libraryBytes(), 'libtensorflow.so.2.9.1')
  symlinkSync(main, main.replace('.2.9.1', '.2'))
  const own = { version: '2.9.1', kind: 'cpu', source: 'tfjs-node' }
  expect(findTensorflow()).toMatchObject(own)
  const gpu = writePackage(folder, '@tensorflow/tfjs-node-gpu', '4.22.0')
  symlinkSync(join(package_, 'deps'), join(gpu, 'deps'))
  expect(findTensorflow()).toMatchObject(own)
  rmSync(join(gpu, 'deps'))
  write(join(gpu, 'deps', 'lib'), libraryBytes(), 'libtensorflow.so')
  expect(findTensorflow()).toMatchObject({ version: 'unknown', kind: 'gpu', source: 'tfjs-node-gpu' })
})

test('libraries of setup: GPU before CPU, then the most recent one', () => {
  const old = install('2.20.0', 'cpu', 2000)
  install('2.21.0', 'cpu', 1000)
  expect(findTensorflow()).toEqual({
    version: '2.20.0',
    kind: 'cpu',
    source: 'setup',
    main: old,
    framework: old.replace('_cc', '_framework'),
  })
  install('2.19.0', 'gpu', 500)
  expect(findTensorflow()).toMatchObject({ version: '2.19.0', kind: 'gpu' })
})

test('the variable comes first, with a stock library or a wheel unpacked by pip', () => {
  install('2.21.0', 'gpu')
  const stock = join(folder, 'stock')
  const main = write(join(stock, 'lib'), libraryBytes(), 'libtensorflow.so')
  vi.stubEnv('EFFUSE_TENSORFLOW', stock)
  expect(findTensorflow()).toMatchObject({ main, version: 'unknown', kind: 'cpu', source: 'EFFUSE_TENSORFLOW' })

  const wheel = join(folder, 'wheel')
  write(join(wheel, 'tensorflow'))
  mkdirSync(join(wheel, 'tensorflow-2.18.1.dist-info'))
  mkdirSync(join(wheel, 'nvidia'))
  vi.stubEnv('EFFUSE_TENSORFLOW', wheel)
  expect(findTensorflow()).toMatchObject({ version: '2.18.1', kind: 'gpu' })
})

test.each<[string, (place: string) => void, RegExp]>([
  ['no folder', () => {}, /there is no such folder/],
  [
    'an empty folder',
    (place) => mkdirSync(place),
    /has no libtensorflow_cc.so.2 beside a libtensorflow_framework.so.2/,
  ],
  ['a text', (place) => void write(place, 'this is not a library at all'), /libtensorflow_cc.so.2 is no library, and/],
  ['an empty file', (place) => void write(place, ''), /libtensorflow_cc.so.2 is no library, and/],
  ['another machine', (place) => void write(place, libraryBytes(0x28)), /is Linux machine 40, and Linux \w+ is needed/],
  ['a folder of that name', (place) => mkdirSync(join(place, 'libtensorflow_cc.so.2'), { recursive: true }), /has no/],
])('the variable names %s: no other library is taken, and the message says why', (_, make, words) => {
  install('2.21.0', 'cpu')
  const place = join(folder, 'given')
  make(place)
  vi.stubEnv('EFFUSE_TENSORFLOW', place)
  expect(findTensorflow()).toEqual({
    missing: expect.stringMatching(words),
    fix: expect.stringContaining('npx effuse setup tensorflow'),
  })
})

test('a damaged library of setup is reported, unless another one works', () => {
  const main = install('2.21.0', 'gpu')
  writeFileSync(main, libraryBytes(0x28))
  expect(findTensorflow()).toEqual({
    missing: expect.stringContaining(`${main} is Linux machine 40, and`),
    fix: 'npx effuse setup tensorflow --gpu',
  })
  writeFileSync(main, 'cut short')
  expect(findTensorflow()).toMatchObject({ missing: `${main} should have 64 bytes, but has 9` })
  rmSync(main)
  expect(findTensorflow()).toEqual({
    missing: expect.stringContaining('2.21.0-gpu lacks files that setup put there'),
    fix: 'npx effuse setup tensorflow --gpu',
  })
  install('2.21.0', 'cpu')
  expect(findTensorflow()).toMatchObject({ version: '2.21.0', kind: 'cpu' })
})

test('koffi of the project calls a function of C', () => {
  const abs = loadKoffi().load('libc.so.6').func('int abs(int)')
  expect(abs(-5)).toBe(5)
})
