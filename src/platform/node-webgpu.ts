/** WebGPU in Node, by the package `webgpu` (Dawn). It defines `navigator.gpu` and the globals that pages have, unless they exist already. */
import { existsSync } from 'node:fs'
import { EffuseError } from '../ir/diagnostics.ts'
import { navigatorGpu } from './navigator-gpu.ts'

interface Dawn {
  create(flags: readonly string[]): object
  readonly globals: { readonly [name: string]: unknown }
}

/** The package is large and few users need it, so it is an optional peer. */
const dawn: string = 'webgpu'

interface Found {
  readonly gpu: object
  readonly globals: Dawn['globals']
}
let finding: Promise<Found> | null = null

/** `navigator.gpu`, or Dawn's object for it. @throws EffuseError EF404 if the package is missing or does not load */
export const findGpu = async (): Promise<object> => (await find()).gpu

/**
 * Can the machine have a GPU? Asking Dawn loads every Vulkan driver, which takes seconds for a software driver, so `auto` asks on Linux only if there
 * is a device file of a GPU (DRM, NVIDIA, WSL). On other systems the answer is always yes.
 */
export const mayHaveGpu: (isRegistered?: boolean) => boolean = () =>
  navigatorGpu() !== undefined ||
  process.platform !== 'linux' ||
  ['/dev/dri', '/dev/nvidiactl', '/dev/dxg'].some((path) => existsSync(path))

/** Defines `navigator.gpu` and its globals. @throws EffuseError EF404 as findGpu() */
export const provideWebgpu = async (): Promise<void> => {
  const { gpu, globals } = await find()
  if (navigatorGpu() !== undefined) return
  Object.assign(globalThis, globals)
  // Node has a navigator since version 21.
  if (globalThis.navigator === undefined)
    Object.defineProperty(globalThis, 'navigator', { value: {}, configurable: true })
  const navigator = globalThis.navigator as object | undefined // defined above if it was missing
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
      // Versions of the package need different versions of the C library.
      hint: isMissing ? 'npm install webgpu' : 'npm install webgpu@0.6.2, which needs glibc 2.34',
      cause,
    })
  }
}
