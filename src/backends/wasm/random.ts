/** Random numbers by Philox 4x32-10 (ir/philox.ts), computed in the module. */
import { contextWords } from './context.ts'
import type { Callee, FunctionBody } from './encoder.ts'

const multipliers = [0xd2511f53, 0xcd9e8d57] as const
const weyl = [0x9e3779b9, 0xbb67ae85] as const
const rounds = 10

/** (context, stream, block) -> four words: the words of the elements 4 * block to 4 * block + 3. */
const philox: Callee = {
  kind: 'helper',
  name: 'philox',
  signature: { params: ['i32', 'i32', 'i32'], result: 'v128' },
  build: (f) => {
    const [context, stream, block] = [0, 1, 2]
    const words = [block, f.local('i32'), f.local('i32'), f.local('i32')] as const
    const keys = [f.local('i32'), f.local('i32')] as const
    const products = [f.local('i64'), f.local('i64')] as const
    const load = (word: number, into: number): void => {
      f.get(context)
      f.memory('i32.load', 4 * word)
      f.set(into)
    }
    load(contextWords.runLow, words[1])
    load(contextWords.runHigh, words[2])
    load(contextWords.replica, words[3])
    load(contextWords.seed, keys[0])
    f.get(context)
    f.get(stream)
    f.i32(2)
    f.op('i32.shl', 'i32.add')
    f.memory('i32.load', 4 * contextWords.streams)
    f.set(keys[1])
    for (let round = 0; round < rounds; round++) {
      for (const at of [0, 1] as const) {
        f.get(words[2 * at] as number)
        f.op('i64.extend_i32_u')
        f.i64(BigInt(multipliers[at]))
        f.op('i64.mul')
        f.set(products[at])
      }
      // The high half of one product, the middle word, and the key.
      for (const at of [0, 1] as const) {
        f.get(products[1 - at] as number)
        f.i64(32n)
        f.op('i64.shr_u', 'i32.wrap_i64')
        f.get(words[2 * at + 1] as number)
        f.op('i32.xor')
        f.get(keys[at])
        f.op('i32.xor')
        f.set(words[2 * at] as number)
      }
      for (const at of [0, 1] as const) {
        f.get(products[1 - at] as number)
        f.op('i32.wrap_i64')
        f.set(words[2 * at + 1] as number)
        f.get(keys[at])
        f.i32(weyl[at])
        f.op('i32.add')
        f.set(keys[at])
      }
    }
    f.get(words[0])
    f.op('i32x4.splat')
    for (const at of [1, 2, 3]) {
      f.get(words[at] as number)
      f.lane('i32x4.replace_lane', at)
    }
  },
}

/**
 * (context, stream, element) -> the random number of the element, in [0, 1), with 24 bits. With four lanes: also those of the next three elements.
 */
const uniform = (lanes: 1 | 4): Callee => ({
  kind: 'helper',
  name: `uniform${lanes}`,
  signature: { params: ['i32', 'i32', 'i32'], result: lanes === 1 ? 'f32' : 'v128' },
  build: (f) => {
    const [context, stream, element] = [0, 1, 2]
    const [words, places] = [f.local('v128'), f.local('v128')]
    const blockWords = (next: number): void => {
      f.get(context)
      f.get(stream)
      f.get(element)
      f.i32(2)
      f.op('i32.shr_u')
      f.i32(next)
      f.op('i32.add')
      f.call(philox)
    }
    blockWords(0)
    f.set(words)
    f.get(element)
    f.i32(3)
    f.op('i32.and')
    f.branch(() => {
      // The words from the element on, and then words of the next block. A swizzle gives 0 for indices outside of 0 to 15.
      f.get(element)
      f.i32(3)
      f.op('i32.and')
      f.i32(2)
      f.op('i32.shl', 'i8x16.splat')
      f.vector(Uint8Array.from({ length: 16 }, (_, byte) => byte))
      f.op('i8x16.add')
      f.set(places)
      f.get(words)
      f.get(places)
      f.op('i8x16.swizzle')
      if (lanes === 4) {
        blockWords(1)
        f.get(places)
        f.vector(new Uint8Array(16).fill(16))
        f.op('i8x16.sub', 'i8x16.swizzle', 'v128.or')
      }
      f.set(words)
    }, null)
    f.get(words)
    f.i32(8)
    f.op('i32x4.shr_u', 'f32x4.convert_i32x4_s')
    f.f32x4(2 ** -24)
    f.op('f32x4.mul')
    if (lanes === 1) f.lane('f32x4.extract_lane', 0)
  },
})

/** Replaces the element number on the stack by its random number, or by four. `context`: the local with the address of the context. */
export const emitRandom = (
  f: FunctionBody,
  { context, stream, lanes }: { readonly context: number; readonly stream: number; readonly lanes: 1 | 4 },
): void => {
  const element = f.scratch('i32', 'random element')
  f.set(element)
  f.get(context)
  f.i32(stream)
  f.get(element)
  f.call(uniform(lanes))
}
