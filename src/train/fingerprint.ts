/** Short hashes that show whether data or model have changed. FNV-1a, twice 32 bits: no protection against deliberate collisions. */
import type { Model } from '../ir/model.ts'
import { print } from '../ir/print.ts'
import type { Batch } from './source.ts'

interface Hash {
  add(bytes: Uint8Array): void
  text(): string
}

const makeHash = (): Hash => {
  let [a, b] = [0x811c9dc5, 0x1234567]
  return {
    add: (bytes) => {
      for (const byte of bytes) {
        a = Math.imul(a ^ byte, 0x01000193)
        b = Math.imul(b ^ byte, 0x01000193) ^ (b >>> 15)
      }
    },
    text: () => [a, b].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join(''),
  }
}

const utf8 = new TextEncoder()

/** Names, kinds and values of all columns. */
export const batchFingerprint = (columns: Batch): string => {
  const hash = makeHash()
  for (const [name, column] of Object.entries(columns).sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.add(utf8.encode(`${name} ${column.constructor.name} ${column.length} `))
    hash.add(new Uint8Array(column.buffer, column.byteOffset, column.byteLength))
  }
  return hash.text()
}

/** Of its graph. */
export const modelFingerprint = (model: Model): string => {
  const hash = makeHash()
  hash.add(utf8.encode(print(model.at({ batch: 1 }))))
  return hash.text()
}
