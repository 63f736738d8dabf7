/** Numbers in LEB128: a decoder reads back what the writer wrote, and no encoding is longer than needed. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ByteWriter } from '../../../src/backends/wasm/bytes.ts'

const written = (write: (out: ByteWriter) => void): readonly number[] => {
  const out = new ByteWriter()
  write(out)
  expect(out.written()).toHaveLength(out.length)
  return [...out.written()]
}

/** The number, and whether every byte but the last has the bit of continuation. */
const decoded = (bytes: readonly number[], isSigned: boolean): bigint => {
  expect(bytes.map((byte) => byte >> 7)).toEqual(bytes.map((_, at) => Number(at < bytes.length - 1)))
  const bits = bytes.reduce((sum, byte, at) => sum + (BigInt(byte & 0x7f) << BigInt(7 * at)), 0n)
  return isSigned ? BigInt.asIntN(7 * bytes.length, bits) : bits
}
const fits = (value: bigint, bytes: number, isSigned: boolean): boolean =>
  (isSigned ? BigInt.asIntN(7 * bytes, value) : BigInt.asUintN(7 * bytes, value)) === value

/** Numbers of all lengths, and those beside the largest and the smallest of each length. */
const ofBits = (bits: number, isSigned: boolean): fc.Arbitrary<bigint> =>
  fc
    .tuple(fc.nat(bits - (isSigned ? 1 : 0)), fc.bigInt(-2n, 2n), fc.boolean(), fc.bigInt(0n, 2n ** 64n))
    .map(([at, near, isNegative, any]) => {
      const value = near === 2n ? any % (1n << BigInt(at)) : (1n << BigInt(at)) + near
      const signed = isNegative && isSigned ? -value : value
      return isSigned ? BigInt.asIntN(bits, signed) : BigInt.asUintN(bits, signed)
    })

test.each([
  ['unsigned', 32, false, (out: ByteWriter, value: bigint) => out.unsigned(Number(value))],
  ['signed', 32, true, (out: ByteWriter, value: bigint) => out.signed(Number(value))],
  ['signed64', 64, true, (out: ByteWriter, value: bigint) => out.signed64(value)],
] as const)('%s', (_, bits, isSigned, write) => {
  fc.assert(
    fc.property(ofBits(bits, isSigned), (value) => {
      const bytes = written((out) => write(out, value))
      expect(decoded(bytes, isSigned)).toBe(value)
      expect(bytes.length === 1 || !fits(value, bytes.length - 1, isSigned)).toBe(true)
    }),
    { numRuns: 500 },
  )
})

test('a wide number has five bytes, and any other number can replace it', () => {
  fc.assert(
    fc.property(ofBits(32, false), ofBits(32, false), fc.nat(300), (first, second, before) => {
      const bytes = written((out) => {
        out.bytes(new Uint8Array(before).fill(7))
        out.wide(Number(first))
        expect(decoded([...out.written()].slice(before), false)).toBe(first)
        out.byte(9)
        out.setWide(before, Number(second))
      })
      expect(bytes).toHaveLength(before + 6)
      expect(decoded(bytes.slice(before, -1), false)).toBe(second)
      expect([...bytes.slice(0, before), bytes.at(-1)]).toEqual([...Array<number>(before).fill(7), 9])
    }),
  )
})

test('a text is its length in bytes and its bytes in UTF-8', () => {
  expect(written((out) => out.text('aé'))).toEqual([3, 0x61, 0xc3, 0xa9])
})

test('bytes of any number are kept in order', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 600 }), { maxLength: 5 }), fc.boolean(), (parts, isSingle) => {
      const bytes = written((out) => {
        for (const part of parts)
          if (isSingle) for (const byte of part) out.byte(byte)
          else out.bytes(part)
      })
      expect(bytes).toEqual(parts.flatMap((part) => [...part]))
    }),
  )
})
