/** The order of an epoch. */
import { philox4x32 } from '../ir/philox.ts'

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
