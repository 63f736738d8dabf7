// Reads the file format of MNIST and its successors: a magic number, the sizes, then bytes; compressed by gzip.
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'
import { StepError } from './step.mjs'

/**
 * Reads an array of unsigned bytes, `*-idx<rank>-ubyte.gz`.
 * @param {string} file @param {number} rank that it must have
 * @returns {Promise<{ readonly shape: readonly number[], readonly data: Uint8Array }>}
 * @throws StepError if the file does not exist or has another format
 */
export const readIdx = async (file, rank) => {
  const packed = await readFile(file).catch(() => {
    throw new StepError(`${file} cannot be read. The folder must contain ${path.basename(file)} of the data set.`)
  })
  const bytes = unpacked(packed, file)
  const header = 4 + 4 * rank
  // Two zeros, 8 for unsigned bytes, the rank.
  if (bytes.length < header || bytes.readUInt32BE(0) !== 0x800 + rank) {
    const found = bytes.subarray(0, 4).toString('hex')
    throw new StepError(
      `${file} is not an array of bytes of rank ${rank}: it begins with ${found || 'nothing'}, not with 0000080${rank}. Fetch it again.`,
    )
  }
  const shape = Array.from({ length: rank }, (_, i) => bytes.readUInt32BE(4 + 4 * i))
  const count = shape.reduce((product, size) => product * size, 1)
  if (bytes.length !== header + count) {
    throw new StepError(
      `${file} is damaged: its header says [${shape}], which is ${count} bytes, and ${bytes.length - header} follow. Fetch it again.`,
    )
  }
  return { shape, data: bytes.subarray(header) }
}

/** @param {Buffer} packed @param {string} file */
const unpacked = (packed, file) => {
  try {
    return gunzipSync(packed)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new StepError(`${file} cannot be unpacked (${reason}). Fetch it again.`)
  }
}
