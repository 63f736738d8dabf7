/** The end of a tfjs backend: its WebGPU device is lost, or tfjs disposes of it, by tf.engine().reset() or tf.removeBackend(). */
import type { DeviceLoss } from '../backend.ts'
import type { KernelBackend } from './tfjs-types.ts'
import { isWebgpu } from './webgpu/shader.ts'

export interface End {
  /** Settles when the backend ends. */
  readonly loss: Promise<DeviceLoss>
  /** The reason of the end, null before. Synchronous, because tfjs's functions fail from then on. */
  reason(): string | null
  /** Calls the listener synchronously at the end. */
  onEnd(listener: () => void): void
}

const ends = new WeakMap<KernelBackend, End>()

/** Watches the backend from the first call on. tfjs has no event for disposing of a backend, so this wraps its dispose(). */
export const endOf = (backend: KernelBackend): End => {
  const known = ends.get(backend)
  if (known !== undefined) return known
  const listeners: (() => void)[] = []
  let ended: string | null = null
  const loss = new Promise<DeviceLoss>((resolve) => {
    const over = (reason: string): void => {
      ended ??= reason
      for (const listener of listeners.splice(0)) listener()
      resolve({ reason })
    }
    const { dispose } = backend
    backend.dispose = () => {
      over('tfjs disposed of its backend, in tf.engine().reset() or tf.removeBackend()')
      dispose.call(backend)
    }
    if (isWebgpu(backend))
      void backend.device.lost.then(({ reason = 'unknown', message }) =>
        over(message === '' ? reason : `${reason}: ${message}`),
      )
  })
  const end: End = { loss, reason: () => ended, onEnd: (listener) => void listeners.push(listener) }
  ends.set(backend, end)
  return end
}
