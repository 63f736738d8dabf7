/** What chance decides in an epoch: the order of its rows, and random numbers for each. */
import { philox4x32, streamKey } from '../ir/philox.ts'

/**
 * A sequence of random numbers. Made as TensorFlow's SimplePhilox makes them (core/lib/random/simple_philox.h and exact_uniform_int.h),
 * so that its words give its pictures: see distorted-box.ts.
 */
export interface Draws {
  /** In [0, 1), a multiple of 2^-23: exact in float32. */
  unit(): number
  /** An integer from 0 to n - 1, n a positive integer. */
  below(n: number): number
}

export interface DrawsPosition {
  readonly seed: number
  readonly epoch: number
  /** Place in the epoch's order, whatever the batch size. */
  readonly row: number
  /** What the numbers are for: each purpose has a stream of its own, so that one that draws more moves no other. */
  readonly purpose: string
}

/** Numbers that depend on the position alone, never on what is drawn elsewhere or when. */
export const rowDraws = ({ seed, epoch, row, purpose }: DrawsPosition): Draws => {
  const key = streamKey(`data/${purpose}`)
  const words = new Uint32Array(4)
  let count = 0
  return drawsFrom(() => {
    if (count % 4 === 0) philox4x32(count / 4, row, epoch, 0, seed, key, words)
    return words[count++ % 4] as number // an index below 4
  })
}

/** @param word gives unsigned 32-bit numbers. */
export const drawsFrom = (word: () => number): Draws => ({
  unit: () => (word() & 0x7fffff) * 2 ** -23,
  below: (n) => {
    if ((n & (n - 1)) === 0) return (word() & (n - 1)) >>> 0
    // The numbers left are a multiple of n: every remainder is as likely as any other.
    const rejected = (0xffffffff % n) + 1
    for (;;) {
      const drawn = word()
      if (drawn >= rejected) return drawn % n
    }
  },
})

/** A permutation of 0..length-1 by Fisher and Yates, drawn from Philox: the same wherever and whenever it is made. */
export const shuffled = (length: number, seed: number, epoch: number): Int32Array => {
  const order = inSequence(length)
  const words = new Uint32Array(4)
  for (let i = length - 1; i > 0; i--) {
    const [word = 0] = philox4x32(i, epoch, 0, 0, seed, 0x5fe14bf9, words)
    const j = Math.floor((word / 2 ** 32) * (i + 1))
    const [a, b] = [order[i] as number, order[j] as number] // both in range
    order[i] = b
    order[j] = a
  }
  return order
}

/** 0..length-1: the order of test data. */
export const inSequence = (length: number): Int32Array => Int32Array.from({ length }, (_, i) => i)
