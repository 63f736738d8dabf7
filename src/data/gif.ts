/**
 * Decodes the first picture of a GIF with its stored colours, because sharp makes transparent pixels black.
 * It follows the GIF89a specification; LZW as in its appendix F.
 */
import type { PixelGrid } from '../pixels/resample.ts'

export interface GifHeader {
  /** Width of the logical screen. */
  readonly width: number
  readonly height: number
}

/** The header; null if there are too few bytes. */
export const gifHeader = (bytes: Uint8Array): GifHeader | null =>
  bytes.length < 13 ? null : { width: word(bytes, 6), height: word(bytes, 8) }

/**
 * Pixels of the screen outside of the first picture have the transparent colour, or the first colour if there is none, as in Pillow.
 * @throws Error if the file is damaged or has no picture
 */
export const decodeGif = (
  bytes: Uint8Array,
): PixelGrid & { readonly channels: 3; readonly data: Uint8Array<ArrayBuffer> } => {
  const header = gifHeader(bytes)
  if (header === null) throw new Error('the header is cut off')
  const flags = bytes[10] as number // the header has 13 bytes
  const globalColours = colourTable(bytes, 13, flags)
  let at = 13 + globalColours.length
  let transparent = 0
  for (;;) {
    const kind = bytes[at++]
    if (kind === 0x21) {
      // A graphic control extension with a transparent colour.
      if (bytes[at] === 0xf9 && ((bytes[at + 2] ?? 0) & 1) === 1) transparent = bytes[at + 5] ?? 0
      at = blocksOf(bytes, at + 1).end
    } else if (kind === 0x2c) {
      return pictureAt(bytes, at, { ...header, globalColours, transparent })
    } else throw new Error(kind === undefined || kind === 0x3b ? 'it has no picture' : 'a block has an unknown kind')
  }
}

const word = (bytes: Uint8Array, at: number): number => (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8)

/** The RGB colour table; empty if the flags say that there is none. */
const colourTable = (bytes: Uint8Array, at: number, flags: number): Uint8Array =>
  (flags & 0x80) === 0 ? new Uint8Array(0) : bytes.subarray(at, at + 3 * 2 ** ((flags & 7) + 1))

/** Reads sub-blocks, each with its length before it, up to one of length 0. @throws Error */
const blocksOf = (
  bytes: Uint8Array,
  from: number,
): { readonly blocks: readonly Uint8Array[]; readonly end: number } => {
  const blocks: Uint8Array[] = []
  let at = from
  for (;;) {
    const length = bytes[at]
    if (length === undefined || at + length >= bytes.length) throw new Error('the data is cut off')
    if (length === 0) return { blocks, end: at + 1 }
    blocks.push(bytes.subarray(at + 1, at + 1 + length))
    at += 1 + length
  }
}

const pictureAt = (
  bytes: Uint8Array,
  at: number,
  screen: GifHeader & { readonly globalColours: Uint8Array; readonly transparent: number },
) => {
  const [left, top, width, height] = [word(bytes, at), word(bytes, at + 2), word(bytes, at + 4), word(bytes, at + 6)]
  const flags = bytes[at + 8] ?? 0
  const own = colourTable(bytes, at + 9, flags)
  const colours = own.length > 0 ? own : screen.globalColours
  const start = at + 9 + own.length
  const codeBits = bytes[start] ?? 0
  if (width === 0 || height === 0 || codeBits < 1 || codeBits > 11)
    throw new Error('the description of the picture is invalid')
  const indices = unpacked(blocksOf(bytes, start + 1).blocks, codeBits, width * height)
  const data = new Uint8Array(screen.width * screen.height * 3)
  const paint = (pixel: number, index: number): void => {
    for (let c = 0; c < 3; c++) data[3 * pixel + c] = colours[3 * index + c] ?? 0 // a table may be too short
  }
  for (let pixel = 0; pixel < screen.width * screen.height; pixel++) paint(pixel, screen.transparent)
  const rows = (flags & 0x40) === 0 ? inSequence(height) : interlaced(height)
  rows.forEach((row, n) => {
    for (let x = 0; x < width; x++)
      if (top + row < screen.height && left + x < screen.width)
        paint((top + row) * screen.width + left + x, indices[n * width + x] as number) // width * height indices
  })
  return { width: screen.width, height: screen.height, channels: 3 as const, data }
}

const inSequence = (height: number): readonly number[] => Array.from({ length: height }, (_, row) => row)
const interlaced = (height: number): readonly number[] =>
  [0, 4, 2, 1].flatMap((first, pass) => {
    const step = [8, 8, 4, 2][pass] as number // four passes
    return inSequence(height).filter((row) => row >= first && (row - first) % step === 0)
  })

/** Decodes LZW with codes of growing length. @throws Error if there are fewer pixels than `count`, or an invalid code */
const unpacked = (blocks: readonly Uint8Array[], codeBits: number, count: number): Uint8Array => {
  const [clear, end] = [2 ** codeBits, 2 ** codeBits + 1]
  // A code represents the pixels of another code and one more pixel.
  const [before, last] = [new Int16Array(4096), new Uint8Array(4096)]
  for (let i = 0; i < clear; i++) last[i] = i
  const out = new Uint8Array(count)
  const pixels: number[] = []
  let [filled, size, next, previous, held, heldBits] = [0, codeBits + 1, end + 1, -1, 0, 0]
  for (const block of blocks)
    for (const byte of block) {
      held |= byte << heldBits
      heldBits += 8
      while (heldBits >= size && filled < count) {
        const code = held & ((1 << size) - 1)
        held >>= size
        heldBits -= size
        if (code === end) throw new Error(`it ends after ${filled} of ${count} pixels`)
        if (code === clear) {
          ;[size, next, previous] = [codeBits + 1, end + 1, -1]
          continue
        }
        if (code > next || (code === next && previous === -1)) throw new Error('a code that is not yet defined')
        // A code that is just being defined is the previous code followed by its first pixel.
        for (let at = code === next ? previous : code; ; at = before[at] as number) {
          pixels.push(last[at] as number) // codes are below 4096
          if (at < clear) break
        }
        const first = pixels[pixels.length - 1] as number // there is at least one
        if (code === next) pixels.unshift(first)
        while (pixels.length > 0 && filled < count) out[filled++] = pixels.pop() as number
        pixels.length = 0
        if (previous !== -1 && next < 4096) {
          before[next] = previous
          last[next++] = first
          if (next === 1 << size && size < 12) size++
        }
        previous = code
      }
    }
  if (filled < count) throw new Error(`it ends after ${filled} of ${count} pixels`)
  return out
}
