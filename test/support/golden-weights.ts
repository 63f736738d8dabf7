/**
 * Weights and pictures from a formula, so that goldens need no weight files. scripts/goldens/golden_weights.py has the same formula: both must give
 * the same bits for the same name and shape, so every step is uint32 arithmetic or a float64 operation that IEEE 754 defines, with one rounding to
 * float32 at the end.
 */

const goldenRatio = 0x9e3779b9

/** 32-bit FNV-1a of the text's UTF-8 bytes. */
const fnv1a32 = (text: string): number => {
  let hash = 0x811c9dc5
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193)
  return hash >>> 0
}

/** murmur3's finaliser over a golden-ratio counter: a uint32 per (seed, index). */
const mix = (seed: number, index: number): number => {
  let x = seed + Math.imul(index, goldenRatio)
  x ^= x >>> 16
  x = Math.imul(x, 0x85ebca6b)
  x ^= x >>> 13
  x = Math.imul(x, 0xc2b2ae35)
  x ^= x >>> 16
  return x >>> 0
}

/** The uint32 hash of a name and an index, from which all golden values are computed. */
export const goldenHash = (name: string, index: number): number => mix(fnv1a32(name), index)

/** Golden numbers in [0, 1), in steps of 2^-24. */
export const goldenUniform = (name: string, count: number): Float64Array => {
  const seed = fnv1a32(name)
  return Float64Array.from({ length: count }, (_, index) => (mix(seed, index) >>> 8) * 2 ** -24)
}

type Shape = readonly number[]

const dimension = (name: string, shape: Shape, axis: number): number => {
  const size = shape[axis]
  if (size === undefined) throw new Error(`golden ${name}: shape [${shape}] has no dimension ${axis}`)
  return size
}

/** The power of a kernel's output divided by that of its input. The Python file has the reasons. */
const kernelGain = (name: string, shape: Shape): number => {
  if (name.endsWith('se/reduce/kernel')) return 1
  if (name.endsWith('se/expand/kernel')) return 4
  if (name.endsWith('head/dense/kernel')) return 0.4
  if (name.endsWith('project/conv/kernel')) {
    const hidden = dimension(name, shape, 2)
    const out = dimension(name, shape, 3)
    // Small if the block's input is added to the result, which the ratio of channels shows.
    return hidden === 6 * out || hidden === out ? 0.12 : 1.5
  }
  return 2
}

const kernelFanIn = (name: string, shape: Shape): number => {
  if (shape.length === 2) return dimension(name, shape, 0)
  const area = dimension(name, shape, 0) * dimension(name, shape, 1)
  return name.endsWith('depthwise/conv/kernel') ? area : area * dimension(name, shape, 2)
}

/** The interval [low, high) of all variables other than kernels, by the last part of the name. */
const ranges: { readonly [last: string]: readonly [low: number, high: number] } = {
  scale: [0.8, 1.2],
  offset: [-0.1, 0.1],
  mean: [-0.1, 0.1],
  variance: [0.5, 1.5],
  bias: [-0.1, 0.1],
}

const rangeOf = (name: string): readonly [number, number] => {
  if (name.endsWith('se/expand/bias')) return [1.4, 1.6]
  const range = ranges[name.slice(name.lastIndexOf('/') + 1)]
  if (range === undefined) throw new Error(`golden ${name}: the last part is none of kernel, ${Object.keys(ranges)}`)
  return range
}

/**
 * The golden value of one of EfficientNet's variables, row-major in effuse's layout
 * (kernels [kh, kw, in, out], depthwise [k, k, C, 1], dense [in, out], all others [C]).
 * Errors: a name that does not end in kernel, bias, scale, offset, mean or variance.
 */
export const goldenVariable = (name: string, shape: Shape): Float32Array<ArrayBuffer> => {
  const values = new Float32Array(shape.reduce((product, size) => product * size, 1))
  const seed = fnv1a32(name)
  const uniform = (index: number): number => (mix(seed, index) >>> 8) * 2 ** -24
  if (name.endsWith('/kernel')) {
    const reach = Math.sqrt((3 * kernelGain(name, shape)) / kernelFanIn(name, shape))
    for (let i = 0; i < values.length; i++) values[i] = (uniform(i) - 0.5) * (2 * reach)
  } else {
    const [low, high] = rangeOf(name)
    for (let i = 0; i < values.length; i++) values[i] = low + uniform(i) * (high - low)
  }
  return values
}

/** The golden picture [N, H, W, C]: integers 0..255, patches of 16 x 16 pixels (3 parts) and noise (1 part). */
export const goldenImage = (shape: readonly [number, number, number, number]): Float32Array<ArrayBuffer> => {
  const [batch, height, width, channels] = shape
  const values = new Float32Array(batch * height * width * channels)
  const patchSeed = fnv1a32('image/patch')
  const noiseSeed = fnv1a32('image/noise')
  let i = 0
  for (let n = 0; n < batch; n++) {
    for (let h = 0; h < height; h++) {
      for (let w = 0; w < width; w++) {
        for (let c = 0; c < channels; c++, i++) {
          const patch = mix(patchSeed, ((n * 1024 + (h >> 4)) * 1024 + (w >> 4)) * 16 + c) >>> 24
          const noise = mix(noiseSeed, i) >>> 24
          values[i] = (patch * 3 + noise) >> 2
        }
      }
    }
  }
  return values
}
