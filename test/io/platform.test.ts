import { execFileSync } from 'node:child_process'
import { constants } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import * as fs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import * as browser from '../../src/platform/browser.ts'
import * as node from '../../src/platform/node.ts'
import type { Platform } from '../../src/platform/platform.ts'
import { bytesOfText, failure, failureOf } from './support.ts'

// Both modules provide everything that '#platform' declares, with the same types.
const twins: { readonly node: Platform; readonly browser: Platform } = { node, browser }

/** The results of the next calls of node:fs/promises, for simulated disk errors. */
const faults = vi.hoisted(() => ({
  write: null as string | null,
  sync: null as string | null,
  rename: null as string | null,
}))
vi.mock('node:fs/promises', async (importOriginal) => {
  const real = await importOriginal<typeof fs>()
  const fail = (code: string): never => {
    throw Object.assign(new Error(`${code}: made by the test`), { code })
  }
  return {
    ...real,
    rename: async (...args: Parameters<typeof real.rename>) =>
      faults.rename === null ? real.rename(...args) : fail(faults.rename),
    open: async (...args: Parameters<typeof real.open>) => {
      const handle = await real.open(...args)
      return new Proxy(handle, {
        get: (target, key: keyof FileHandle) => {
          const fault = key === 'write' ? faults.write : key === 'sync' ? faults.sync : null
          if (fault !== null) return async () => fail(fault)
          const value: unknown = target[key]
          return typeof value === 'function' ? value.bind(target) : value
        },
      })
    },
  }
})

let folder = ''
beforeEach(async () => {
  folder = await fs.mkdtemp(join(tmpdir(), 'effuse-platform-'))
})
afterEach(async () => {
  Object.assign(faults, { write: null, sync: null, rename: null })
  vi.restoreAllMocks()
  await fs.rm(folder, { recursive: true, force: true })
})

const old = bytesOfText('old')
const fresh = bytesOfText('fresh')

describe('readFile', () => {
  test('returns the bytes in a separate buffer', async () => {
    const path = join(folder, 'a')
    await fs.writeFile(path, fresh)
    for (const name of [path, pathToFileURL(path)]) {
      const bytes = await node.readFile(name)
      expect(bytes).toEqual(fresh)
      expect(bytes.buffer.byteLength).toBe(fresh.length)
    }
    await fs.writeFile(path, '')
    expect((await node.readFile(path)).length).toBe(0)
  })

  test.each<[string, () => string | URL, string, string]>([
    ['a file that is not there', () => join(folder, 'none'), 'there is no such file', 'check the path'],
    ['a folder', () => folder, 'expected a file, it is a folder', 'name a file in it'],
    ['a device that never ends', () => '/dev/zero', 'expected a file, it is a device', 'copy it to a file'],
    [
      'a path through a file',
      () => join(new URL(import.meta.url).pathname, 'x'),
      'a part of the path is a file, not a folder',
      'check the path',
    ],
    ['a name that is too long', () => join(folder, 'x'.repeat(5000)), 'the name is too long', 'shorter'],
    ['an empty path', () => '', 'expected a path or a file: URL', ''],
    ['a path with a zero byte', () => 'a\0b', 'expected a path or a file: URL', ''],
    ['another URL', () => new URL('https://example.org/net.pth'), 'expected a path or a file: URL', 'fetch it'],
  ])('%s is an error', async (_, path, message, hint) => {
    const error = await failureOf(() => node.readFile(path()))
    expect(error.code).toBe('EF501')
    expect(error.message).toMatch(/^cannot read /)
    expect(error.message).toContain(message)
    expect(error.message).not.toContain('\n')
    expect(error.hint ?? '').toContain(hint)
  })

  test('a cycle of links is an error', async () => {
    await fs.symlink('b', join(folder, 'a'))
    await fs.symlink('a', join(folder, 'b'))
    expect((await failureOf(() => node.readFile(join(folder, 'a')))).message).toContain(
      'its symbolic links form a circle',
    )
  })
})

describe('writeFileAtomic', () => {
  test('creates a file, replaces it, and leaves no other file', async () => {
    const path = join(folder, 'net.safetensors')
    await node.writeFileAtomic(path, old)
    expect(new Uint8Array(await fs.readFile(path))).toEqual(old)
    await node.writeFileAtomic(pathToFileURL(path), fresh)
    expect(new Uint8Array(await fs.readFile(path))).toEqual(fresh)
    await node.writeFileAtomic(path, new Uint8Array(0))
    expect((await fs.readFile(path)).length).toBe(0)
    expect(await fs.readdir(folder)).toEqual(['net.safetensors'])
  })

  test('writes a view, not its whole buffer', async () => {
    const path = join(folder, 'a')
    await node.writeFileAtomic(path, new Uint8Array([1, 2, 3, 4]).subarray(1, 3))
    expect([...(await fs.readFile(path))]).toEqual([2, 3])
  })

  test('keeps permissions, and writes to the target of a link', async () => {
    const path = join(folder, 'a')
    await fs.writeFile(path, old)
    await fs.chmod(path, 0o640)
    await fs.symlink('a', join(folder, 'link'))
    await node.writeFileAtomic(join(folder, 'link'), fresh)
    expect(new Uint8Array(await fs.readFile(path))).toEqual(fresh)
    expect((await fs.stat(path)).mode & 0o777).toBe(0o640)
    expect((await fs.lstat(join(folder, 'link'))).isSymbolicLink()).toBe(true)
  })

  test('of concurrent writes one wins completely', async () => {
    const path = join(folder, 'a')
    const contents = Array.from({ length: 20 }, (_, i) => new Uint8Array(10_000).fill(i))
    await Promise.all(contents.map((bytes) => node.writeFileAtomic(path, bytes)))
    const found = await fs.readFile(path)
    expect(found.length).toBe(10_000)
    expect(new Set(found).size).toBe(1)
    expect(await fs.readdir(folder)).toEqual(['a'])
  })

  test.each<[string, () => string, string]>([
    ['a folder', () => folder, 'expected a file, it is a folder'],
    ['a file in no folder', () => join(folder, 'none', 'a'), 'its folder does not exist'],
    ['a device', () => '/dev/null', 'expected a file, it is a device'],
    ['an empty path', () => '', 'expected a path or a file: URL'],
  ])('%s is an error', async (_, path, message) => {
    const error = await failureOf(() => node.writeFileAtomic(path(), fresh))
    expect(error.code).toBe('EF501')
    expect(error.message).toMatch(/^cannot write /)
    expect(error.message).toContain(message)
    expect(await fs.readdir(folder)).toEqual([])
  })

  test.each<[keyof typeof faults, string, string]>([
    ['write', 'ENOSPC', 'the disk is full'],
    ['write', 'EDQUOT', 'your disk quota is used up'],
    ['sync', 'EIO', 'EIO: made by the test'],
    ['rename', 'EACCES', 'permission denied'],
    ['rename', 'EROFS', 'the disk is read-only'],
    ['rename', 'EBUSY', 'another program uses it'],
  ])('a %s that fails with %s leaves the old file and no other', async (call, code, message) => {
    const path = join(folder, 'a')
    await fs.writeFile(path, old)
    faults[call] = code
    const error = await failureOf(() => node.writeFileAtomic(path, fresh))
    expect(error.code).toBe('EF501')
    expect(error.message).toBe(`cannot write ${path}: ${message}`)
    expect(new Uint8Array(await fs.readFile(path))).toEqual(old)
    expect(await fs.readdir(folder)).toEqual(['a'])
  })
})

test('saveTemporaryText creates a new file each time, and never throws', async () => {
  const first = node.saveTemporaryText('graph.ir', 'graph {}')
  const second = node.saveTemporaryText('../../graph.ir', 'graph {}')
  if (first === null || second === null) throw new Error('no file')
  expect(await fs.readFile(first, 'utf8')).toBe('graph {}')
  expect(second.startsWith(tmpdir())).toBe(true)
  expect(second).not.toBe(first)
  for (const path of [first, second]) await fs.rm(join(path, '..'), { recursive: true })
  vi.stubEnv('TMPDIR', join(folder, 'none'))
  expect(node.saveTemporaryText('graph.ir', 'graph {}')).toBeNull()
  vi.unstubAllEnvs()
})

test('saveText replaces a file, and never blocks on a pipe', async () => {
  node.saveText(folder, 'a', 'a longer text')
  node.saveText(folder, 'a', 'short')
  expect(await fs.readFile(join(folder, 'a'), 'utf8')).toBe('short')
  execFileSync('mkfifo', [join(folder, 'pipe')])
  const error = failure(() => node.saveText(folder, 'pipe', 'text'))
  expect([error.code, error.message]).toEqual(['EF501', expect.stringContaining('expected a file, it is')])
  // With a reader at the other end, it could be opened.
  const reader = await fs.open(join(folder, 'pipe'), constants.O_RDONLY | constants.O_NONBLOCK)
  expect(failure(() => node.saveText(folder, 'pipe', 'text')).message).toContain('it is a pipe')
  await reader.close()
})

test('environment and clock', () => {
  vi.stubEnv('EFFUSE_TEST', '1')
  expect(node.environment('EFFUSE_TEST')).toBe('1')
  expect(browser.environment('EFFUSE_TEST')).toBeUndefined()
  vi.unstubAllEnvs()
  expect(node.environment('EFFUSE_TEST')).toBeUndefined()
  for (const twin of Object.values(twins)) expect(twin.now()).toBeLessThanOrEqual(twin.now())
})

test('a browser rejects file paths, with an alternative', async () => {
  expect(await failureOf(() => browser.readFile('net.pth'))).toMatchObject({
    code: 'EF501',
    message: 'cannot read the file net.pth: a browser has no files by path',
    hint: expect.stringContaining('Blob') as string,
  })
  expect((await failureOf(() => browser.writeFileAtomic('net.pth', fresh))).hint).toContain('returns the bytes')
  expect(browser.saveTemporaryText('graph.ir', '')).toBeNull()
})
