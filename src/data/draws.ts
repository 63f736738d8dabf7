/** The random choices of an epoch: the order of its rows, and random numbers for each row. */
import { philox4x32, streamKey } from '../ir/philox.ts'

/**
 * A sequence of random numbers, computed from words as in TensorFlow's SimplePhilox (core/lib/random/simple_philox.h and exact_uniform_int.h), so
 * that TensorFlow's words give TensorFlow's boxes: see distorted-box.ts.
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
  /** The place in the epoch's order, independent of the batch size. */
  readonly row: number
  /** The purpose of the numbers. Each purpose has its own stream, so that additional draws for one do not change another. */
  readonly purpose: string
}

/** Numbers that depend only on the position, not on other draws or on time. */
export const rowDraws = ({ seed, epoch, row, purpose }: DrawsPosition): Draws => {
  const key = streamKey(`data/${purpose}`)
  const words = new Uint32Array(4)
  let count = 0
  return drawsFrom(() => {
    if (count % 4 === 0) philox4x32(count / 4, row, epoch, 0, seed, key, words)
    return words[count++ % 4] as number // an index below 4
  })
}

/** @param word Returns unsigned 32-bit numbers. */
export const drawsFrom = (word: () => number): Draws => ({
  unit: () => (word() & 0x7fffff) * 2 ** -23,
  below: (n) => {
    if ((n & (n - 1)) === 0) return (word() & (n - 1)) >>> 0
    // The number of accepted words is a multiple of n, so all remainders are equally likely.
    const rejected = (0xffffffff % n) + 1
    for (;;) {
      const drawn = word()
      if (drawn >= rejected) return drawn % n
    }
  },
})

/** A permutation of 0..length-1 by Fisher and Yates with Philox, which depends only on the arguments. */
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
