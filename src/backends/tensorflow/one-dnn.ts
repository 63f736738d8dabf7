/** oneDNN, the library of CPU kernels inside TensorFlow: when TensorFlow uses it, and where its kernels are slow. Node only. */
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import type { TensorflowContext } from './context.ts'
import { oneDnnAbilities } from './one-dnn-trial.ts'
import type { KernelForms, PointwiseProducts, SwishFusion } from './lowering.ts'

/**
 * TensorFlow itself uses oneDNN only on processors with AVX-512 VNNI or newer instructions. On two cores of an AMD EPYC with AVX2 a training step of
 * EfficientNet-B0 (batch 8) takes 0.67 of the time with it. On ARM it is a library of its own, which was not measured here.
 *
 * TF_ONEDNN_THREADPOOL_USE_CALLER_THREAD is not set. With it, EfficientNet-B0 takes 1.1 of the time with one image and 1.2 with eight (two cores of an
 * Intel Xeon).
 */
export const oneDnnDefaults: { readonly [variable: string]: string } =
  process.arch === 'x64' ? { TF_ENABLE_ONEDNN_OPTS: '1' } : {}

/** @param threads The threads of one op; by default one for each core. */
export const oneDnnForms = async (context: TensorflowContext, threads?: number): Promise<KernelForms> => ({
  swish: oneDnnSwish(threads),
  products: oneDnnProducts(threads),
  repeatsVectors: true,
  // Without AVX-512 they were not measured.
  ...(process.arch === 'x64' && hasAvx512() ? await oneDnnAbilities(context) : noAbilities),
})

const noAbilities = { groupsDepthwise: false, keepsFilters: false } as const

/**
 * Without AVX-512 oneDNN convolves by matrix products, and applies the fused swish with one thread for each image. With fewer images than threads this
 * takes several times as long as TensorFlow's own kernels for the swish: 61 ms instead of 21 ms for the convolutions of EfficientNet-B0 with one image
 * and two threads (AMD EPYC).
 *
 * @param threads The threads of one op; by default one for each core.
 */
const oneDnnSwish = (threads = availableParallelism()): SwishFusion => ({
  imagesLeast: hasAvx512() ? 1 : threads,
  recomputesSigmoid: false,
})

/**
 * For the same matrix products without a convolution around them TensorFlow needs less time: 10.6 ms instead of 14.6 ms for those of EfficientNet-B0 with
 * one image and two threads (AMD EPYC). With eight images the convolutions are as fast, because they are fused with the swish.
 *
 * @param threads The threads of one op; by default one for each core.
 */
const oneDnnProducts = (threads = availableParallelism()): PointwiseProducts => ({
  imagesBelow: hasAvx512() ? 0 : threads,
  singlePixels: true,
})

/** True also where it is not known. */
const hasAvx512 = (): boolean => {
  if (process.arch !== 'x64' || process.platform !== 'linux') return true
  try {
    return /\bavx512f\b/.test(readFileSync('/proc/cpuinfo', 'utf8'))
  } catch {
    return true
  }
}
