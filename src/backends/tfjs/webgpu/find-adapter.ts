/** Finds the WebGPU adapter that tfjs will use, and checks it before tfjs fails on missing limits. */
import { findGpu } from '#platform'
import { EffuseError } from '../../../ir/diagnostics.ts'

/** By shape, so that no declarations of WebGPU are needed. */
interface Gpu {
  requestAdapter(options: { readonly powerPreference: 'high-performance' }): Promise<Adapter | null>
}
interface Adapter {
  readonly info?: AdapterInfo | undefined
  /** Its place in older browsers; now it is in `info`. */
  readonly isFallbackAdapter?: boolean | undefined
  readonly features: { has(name: string): boolean }
  readonly limits: { readonly [limit: string]: unknown }
}
interface AdapterInfo {
  readonly vendor: string
  readonly architecture: string
  readonly device: string
  readonly description: string
  readonly isFallbackAdapter?: boolean | undefined
}

export interface FoundAdapter {
  /** A readable name. */
  readonly name: string
  /** Whether it computes on the CPU, which is slower than WebAssembly. */
  readonly isSoftware: boolean
  readonly limits: { readonly [L in keyof typeof leastLimits]: number }
  readonly hasHalf: boolean
}

/** The limits that tfjs's and effuse's programs need. Every WebGPU device has them, except in compatibility mode. */
const leastLimits = {
  maxStorageBuffersPerShaderStage: 8,
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupSizeX: 256,
  maxComputeWorkgroupStorageSize: 16_384,
  maxStorageBufferBindingSize: 128 * 2 ** 20,
  maxBufferSize: 256 * 2 ** 20,
} as const

/** @throws EffuseError EF404 if there is no WebGPU or no adapter, or if the adapter's limits are too small */
export const findAdapter = async (): Promise<FoundAdapter> => {
  const gpu = (await findGpu()) as Gpu | null // WebGPU's own
  if (gpu === null)
    throw new EffuseError({
      code: 'EF404',
      message: 'this page has no WebGPU: navigator.gpu is missing',
      hint: "serve the page by https or from localhost, in a browser with WebGPU (Chrome, Edge, Safari 26, Firefox on Windows); else createTfjsBackend({ backend: 'wasm' })",
    })
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' })
  if (adapter === null)
    throw new EffuseError({
      code: 'EF404',
      message: 'WebGPU finds no adapter: neither a GPU with a usable driver nor a software adapter',
      hint: "install a driver for Vulkan (without a GPU Mesa's lavapipe, mesa-vulkan-drivers 24 or later); in Chrome see chrome://gpu; else createTfjsBackend({ backend: 'wasm' })",
    })
  return checked(adapter)
}

type Limits = FoundAdapter['limits']

/** The limits that matter here. @throws EffuseError EF404 if one is too small */
export const checkLimits = (owner: string, limits: { readonly [limit: string]: unknown }, hint: string): Limits => {
  const found = Object.fromEntries(Object.keys(leastLimits).map((limit) => [limit, Number(limits[limit])])) as Limits // the same keys
  const small = Object.entries(leastLimits).flatMap(([limit, least]) => {
    const has = found[limit as keyof Limits]
    return has >= least ? [] : [`${limit} is ${has}, needed are ${least}`]
  })
  if (small.length > 0)
    throw new EffuseError({ code: 'EF404', message: `${owner} is too small: ${small.join('; ')}`, hint })
  return found
}

const checked = ({ info, limits, features, isFallbackAdapter }: Adapter): FoundAdapter => {
  const name = nameOf(info)
  return {
    name,
    isSoftware: isSoftware(info) || isFallbackAdapter === true,
    limits: checkLimits(
      `the WebGPU adapter ${name}`,
      limits,
      "createTfjsBackend({ backend: 'wasm' }) needs no adapter",
    ),
    hasHalf: features.has('shader-f16'),
  }
}

const nameOf = (info: AdapterInfo | undefined): string =>
  [info?.description, [info?.vendor, info?.architecture, info?.device].filter(Boolean).join(' ')].find(
    (name) => name !== undefined && name !== '',
  ) ?? 'without a name'

/** Is it a software adapter? Not all drivers that compute on the CPU report that. */
const isSoftware = (info: AdapterInfo | undefined): boolean =>
  info?.isFallbackAdapter === true ||
  /swiftshader|llvmpipe|lavapipe|basic render|software/i.test(
    `${info?.description} ${info?.device} ${info?.architecture}`,
  )
