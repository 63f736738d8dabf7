/** Is there a WebGPU adapter in Node, a GPU or Mesa's lavapipe? Tests on WebGPU are skipped without one (`node scripts/install-lavapipe.mjs`). */
import { create } from 'webgpu'

export const hasAdapter = (await create([]).requestAdapter()) !== null

/** For tables of backends: nothing where there is no adapter. */
export const withAdapter: readonly 'tfjs-webgpu'[] = hasAdapter ? ['tfjs-webgpu'] : []
