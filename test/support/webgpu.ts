/** Checks for a WebGPU adapter in Node: a GPU or Mesa's lavapipe. Without one, tests on WebGPU are skipped (`node scripts/install-lavapipe.mjs`). */
import { create } from 'webgpu'

export const hasAdapter = (await create([]).requestAdapter()) !== null

/** For tables of backends: empty without an adapter. */
export const withAdapter: readonly 'tfjs-webgpu'[] = hasAdapter ? ['tfjs-webgpu'] : []
