/** Checksums of effuse's files: they detect damage at every position, and distinguish it from changes by other programs. */
import { crc32 as zlibCrc32 } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readVerified, writeOwnFile } from '../../src/io/checksums.ts'
import { crc32 } from '../../src/io/crc32.ts'
import { checksumsKey, formatKey } from '../../src/io/own-metadata.ts'
import { readSafetensors, writeSafetensors } from '../../src/io/safetensors.ts'
import { tensorEntry } from '../../src/io/tensor-entry.ts'
import { EffuseError } from '../../src/ir/diagnostics.ts'
import { failure } from './support.ts'

test('crc32 equals that of zlib, for whole data and in parts', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(100), (bytes, at) => {
      expect(crc32(bytes)).toBe(zlibCrc32(bytes))
      expect(crc32(bytes.subarray(at), crc32(bytes.subarray(0, at)))).toBe(zlibCrc32(bytes))
    }),
  )
})

const tensors = [
  tensorEntry('a', 'float32', [2], [1, 2]),
  tensorEntry('b', 'int32', [1], [3]),
  tensorEntry('__proto__', 'bool', [3], [1, 0, 1]),
]
const file = writeOwnFile(tensors, { 'effuse.training': '{"step":3}', note: 'one' })

test('a file holds the CRC-32 of every tensor, of its type and bytes, and of every text', () => {
  const { metadata } = readVerified(file)
  const sums: { readonly tensors: object; readonly texts: object } = JSON.parse(metadata.get(checksumsKey) ?? '')
  const hex = (...parts: readonly (string | Uint8Array)[]): string =>
    parts
      .reduce((sum, part) => zlibCrc32(part, sum), 0)
      .toString(16)
      .padStart(8, '0')
  expect(Object.entries(sums.tensors)).toEqual([
    ['__proto__', hex('bool[3]', Uint8Array.of(1, 0, 1))],
    ['a', hex('float32[2]', new Uint8Array(Float32Array.of(1, 2).buffer))],
    ['b', hex('int32[1]', new Uint8Array(Int32Array.of(3).buffer))],
  ])
  expect(sums.texts).toEqual({ 'effuse.training': hex('{"step":3}'), note: hex('one'), [formatKey]: hex('2') })
})

test('every flipped bit is detected', () => {
  const seen: string[] = []
  for (let bit = 0; bit < 8 * file.length; bit++) {
    const damaged = new Uint8Array(file)
    damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    const readable = contentOf(damaged)
    // Different spaces and escapes in JSON represent the same content.
    if (readable !== null && readable !== contentOf(file)) seen.push(`bit ${bit}: ${readable}`)
  }
  expect(seen).toEqual([])
})

const contentOf = (bytes: Uint8Array): string | null => {
  try {
    const read = readVerified(bytes)
    return JSON.stringify([
      [...read.tensors.values()].map((t) => [t.name, t.dtype, t.shape, [...t.bytes]]),
      [...read.metadata],
    ])
  } catch (error) {
    if (error instanceof EffuseError) return null
    throw error
  }
}

describe('changed parts are listed', () => {
  const metadata = Object.fromEntries(readSafetensors(file).metadata)
  const [a, b, c] = tensors as [(typeof tensors)[0], (typeof tensors)[0], (typeof tensors)[0]]
  const cases: readonly (readonly [string, Uint8Array, RegExp])[] = [
    [
      'other numbers',
      writeSafetensors([tensorEntry('a', 'float32', [2], [1, 3]), b, c], metadata),
      /tensor "a" float32\[2\] has the checksum \w{8}, it had \w{8}/,
    ],
    [
      'another type of the same bytes',
      writeSafetensors([tensorEntry('b', 'float32', [1], [0]), a, c], metadata),
      /tensor "b" float32\[1\] has/,
    ],
    [
      'another shape',
      writeSafetensors([tensorEntry('a', 'float32', [2, 1], [1, 2]), b, c], metadata),
      /tensor "a" float32\[2,1\] has/,
    ],
    [
      'a tensor less, one more',
      writeSafetensors([a, b, tensorEntry('d', 'float32', [1], [0])], metadata),
      /tensor "__proto__" is gone\n {2}tensor "d" float32\[1\] is new/,
    ],
    [
      'a text',
      writeSafetensors(tensors, { ...metadata, 'effuse.training': '{"step":4}' }),
      /the metadata "effuse.training" has/,
    ],
    ['a text less', writeSafetensors(tensors, { ...metadata, note: 'two' }), /the metadata "note" has/],
    [
      'a text of effuse more',
      writeSafetensors(tensors, { ...metadata, 'effuse.model': '{}' }),
      /the metadata "effuse.model" is new/,
    ],
    ['no checksums', writeSafetensors(tensors, { [formatKey]: '2' }), /its checksums are missing/],
    [
      'checksums that are none',
      writeSafetensors(tensors, { [formatKey]: '2', [checksumsKey]: '[' }),
      /its checksums are damaged/,
    ],
    [
      'checksums of another kind',
      writeSafetensors(tensors, { [formatKey]: '2', [checksumsKey]: 'null' }),
      /its checksums are damaged/,
    ],
  ]
  test.each(cases)('%s', (_name, bytes, message) => {
    const error = failure(() => readVerified(bytes, 'net.safetensors'))
    expect(error.code).toBe('EF509')
    expect(error.message).toMatch(/^net\.safetensors has changed since effuse wrote it:\n/)
    expect(error.message).toMatch(message)
    expect(error.hint).toContain('verify: false')
    expect(readVerified(bytes, 'net.safetensors', false).tensors.size).toBeGreaterThan(0)
  })

  test('a long list is truncated', () => {
    const many = Array.from({ length: 40 }, (_, i) => tensorEntry(`t${i}`, 'float32', [1], [i]))
    const changed = writeSafetensors(
      many.map((t) => tensorEntry(t.name, 'float32', [1], [-1])),
      Object.fromEntries(readSafetensors(writeOwnFile(many, {})).metadata),
    )
    expect(failure(() => readVerified(changed)).message).toMatch(/\n {2}and 31 more$/)
  })
})

test('metadata and files of other programs are accepted', () => {
  const { metadata } = readSafetensors(file)
  expect(readVerified(writeSafetensors(tensors, { ...Object.fromEntries(metadata), format: 'pt' })).tensors.size).toBe(
    3,
  )
  expect(readVerified(writeSafetensors(tensors, { format: 'pt' })).tensors.size).toBe(3)
  expect(readVerified(writeSafetensors(tensors, { [formatKey]: '1' })).tensors.size).toBe(3)
})
