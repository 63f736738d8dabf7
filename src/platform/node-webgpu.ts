/** WebGPU in Node, by the package `webgpu` (Dawn). Pages have it on `navigator.gpu` and as globals; whatever is there already stays. */
import { existsSync } from 'node:fs'
import { EffuseError } from '../ir/diagnostics.ts'
import { navigatorGpu } from './navigator-gpu.ts'

interface Dawn {
  create(flags: readonly string[]): object
  readonly globals: { readonly [name: string]: unknown }
}

/** Large, and for few: an optional peer. */
const dawn: string = 'webgpu'

interface Found {
  readonly gpu: object
  readonly globals: Dawn['globals']
}
let finding: Promise<Found> | null = null

/** `navigator.gpu`, or what would stand there. @throws EffuseError EF404 where the package is missing or does not load */
export const findGpu = async (): Promise<object> => (await find()).gpu

/**
 * Can there be a GPU? Asking Dawn loads every Vulkan driver, which takes seconds where there is one in software, so `auto` asks only where Linux
 * has a device file of a GPU (DRM, NVIDIA, WSL). Other systems are not judged.
 */
export const mayHaveGpu: (isRegistered?: boolean) => boolean = () =>
  navigatorGpu() !== undefined ||
  process.platform !== 'linux' ||
  ['/dev/dri', '/dev/nvidiactl', '/dev/dxg'].some((path) => existsSync(path))

/** Makes `navigator.gpu` and the globals that belong to it. @throws EffuseError EF404 as findGpu() */
export const provideWebgpu = async (): Promise<void> => {
  const { gpu, globals } = await find()
  if (navigatorGpu() !== undefined) return
  Object.assign(globalThis, globals)
  // Node has a navigator since 21.
  if (globalThis.navigator === undefined)
    Object.defineProperty(globalThis, 'navigator', { value: {}, configurable: true })
  const navigator = globalThis.navigator as object | undefined // made above where it was missing
  if (navigator !== undefined) Object.defineProperty(navigator, 'gpu', { value: gpu, configurable: true })
}

const find = async (): Promise<Found> => {
  const there = navigatorGpu()
  if (there !== undefined) return { gpu: there, globals: {} }
  finding ??= load()
  return finding
}

const load = async (): Promise<Found> => {
  try {
    const { create, globals } = (await import(dawn)) as Dawn
    return { gpu: create([]), globals }
  } catch (cause) {
    finding = null
    const isMissing = (cause as { readonly code?: unknown }).code === 'ERR_MODULE_NOT_FOUND'
    const detail = cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : String(cause)
    throw new EffuseError({
      code: 'EF404',
      message: `WebGPU in Node needs the package webgpu, which ${isMissing ? 'is not installed' : `does not load: ${detail}`}`,
      // Versions differ in the C library that they ask for.
      hint: isMissing ? 'npm install webgpu' : 'npm install webgpu@0.6.2, which asks for glibc 2.34',
      cause,
    })
  }
}
