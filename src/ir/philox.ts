/**
 * Philox 4x32-10, the counter-based generator of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
 * All backends get the same numbers: a value depends only on (seed, stream, run, replica, element), not on the order of execution.
 *
 * key     = (seed, hash of the stream's name)
 * counter = (element >> 2, run index low, run index high, replica); the element's value is word (element & 3) of the result
 */

const multiplier0 = 0xd2511f53 | 0
const multiplier1 = 0xcd9e8d57 | 0
const weyl0 = 0x9e3779b9 | 0
const weyl1 = 0xbb67ae85 | 0
const rounds = 10

/** Upper 32 bits of the product of two 32-bit numbers, by 16-bit halves. All words are int32 with the same bits, which engines keep in registers. */
const multiplyHigh = (a: number, b: number): number => {
  const aHigh = a >>> 16
  const aLow = a & 0xffff
  const bHigh = b >>> 16
  const bLow = b & 0xffff
  const middle = Math.imul(aHigh, bLow)
  const other = Math.imul(aLow, bHigh)
  const carry = ((middle & 0xffff) + (other & 0xffff) + (Math.imul(aLow, bLow) >>> 16)) >>> 16
  return (Math.imul(aHigh, bHigh) + (middle >>> 16) + (other >>> 16) + carry) | 0
}

/** Fills `out` with four random words for a counter and a key, all unsigned 32-bit, and returns it. */
export const philox4x32 = (
  c0: number,
  c1: number,
  c2: number,
  c3: number,
  k0: number,
  k1: number,
  out: Uint32Array = new Uint32Array(4),
): Uint32Array => {
  let x0 = c0 | 0
  let x1 = c1 | 0
  let x2 = c2 | 0
  let x3 = c3 | 0
  let key0 = k0 | 0
  let key1 = k1 | 0
  for (let round = 0; round < rounds; round++) {
    const high0 = multiplyHigh(multiplier0, x0)
    const high1 = multiplyHigh(multiplier1, x2)
    const low0 = Math.imul(multiplier0, x0)
    const low1 = Math.imul(multiplier1, x2)
    x0 = high1 ^ x1 ^ key0
    x1 = low1
    x2 = high0 ^ x3 ^ key1
    x3 = low0
    key0 = (key0 + weyl0) | 0
    key1 = (key1 + weyl1) | 0
  }
  out[0] = x0
  out[1] = x1
  out[2] = x2
  out[3] = x3
  return out
}

export interface RandomPosition {
  /** Unsigned 32-bit. */
  readonly seed: number
  /** The path that declares the stream. */
  readonly stream: string
  /** The number of the executable's run; exact up to 2^53. */
  readonly runIndex: number
  readonly replica: number
}

/** The numbers of the elements 0 to `count` - 1, in [0, 1) with 24 bits: (word >>> 8) * 2^-24, exact in float32. */
export const randomUniform = ({
  seed,
  stream,
  runIndex,
  replica,
  count,
}: RandomPosition & { readonly count: number }): Float32Array<ArrayBuffer> => {
  const values = new Float32Array(count)
  const words = new Uint32Array(4)
  const key = streamKey(stream)
  const [runLow, runHigh] = [runIndex >>> 0, Math.floor(runIndex / 2 ** 32)]
  for (let block = 0; block * 4 < count; block++) {
    philox4x32(block, runLow, runHigh, replica, seed, key, words)
    for (let lane = 0; lane < 4 && block * 4 + lane < count; lane++)
      values[block * 4 + lane] = ((words[lane] as number) >>> 8) * 2 ** -24
  }
  return values
}

/** A stream's second key word: FNV-1a over UTF-8, then MurmurHash3's finaliser, so that similar paths get very different keys. */
export const streamKey = (stream: string): number => {
  let hash = 0x811c9dc5
  for (const byte of new TextEncoder().encode(stream)) hash = Math.imul(hash ^ byte, 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
