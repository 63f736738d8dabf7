/** The checksum of zip archives: CRC-32 with the reversed polynomial 0xedb88320. */

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte
  for (let bit = 0; bit < 8; bit++) remainder = (remainder >>> 1) ^ (remainder & 1 ? 0xedb88320 : 0)
  return remainder
})

/** @returns An unsigned 32-bit number. */
export const crc32 = (bytes: Uint8Array): number => {
  let remainder = 0xffffffff
  // An indexed loop: for-of over a typed array takes three times as long.
  for (let i = 0; i < bytes.length; i++)
    remainder = (remainder >>> 8) ^ (table[(remainder ^ (bytes[i] ?? 0)) & 0xff] ?? 0)
  return ~remainder >>> 0
}
