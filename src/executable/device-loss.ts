/** Lost devices: later and waiting calls fail with a clear error instead of using the device. */
import { nextTurn } from '#platform'
import type { Backend, DeviceLoss } from '../backends/backend.ts'
import { deviceLost } from '../backends/common/device-lost.ts'

const losses = new WeakMap<Promise<DeviceLoss>, { loss: DeviceLoss | null }>()

/** Watches the backend's device for loss from now on. */
export const watchDevice = ({ lost }: Backend): void => {
  if (losses.has(lost)) return
  const known: { loss: DeviceLoss | null } = { loss: null }
  losses.set(lost, known)
  void lost.then((loss) => {
    known.loss = loss
  })
}

/** Is the device of a watched backend lost? */
export const isLost = ({ lost }: Backend): boolean => losses.get(lost)?.loss != null

/** @throws EffuseError EF410 if the device of a watched backend is lost */
export const ensureDevice = ({ lost, name }: Backend, cause?: unknown): void => {
  const loss = losses.get(lost)?.loss
  if (loss != null) throw deviceLost(name, loss.reason, cause)
}

/** Does work on the device. If it fails because the device is lost, the error says so. @throws EffuseError EF410 */
export const onDevice = async <T>(backend: Backend, work: () => T | Promise<T>): Promise<T> => {
  ensureDevice(backend)
  try {
    return await work()
  } catch (error) {
    await nextTurn() // what was under way can fail before the device says that it is lost
    ensureDevice(backend, error)
    throw error
  }
}
