/** A device that is gone: what is called afterwards, and what still waits, says so instead of reaching for it. */
import type { Backend, DeviceLoss } from '../backends/backend.ts'
import { EffuseError } from '../ir/diagnostics.ts'

const losses = new WeakMap<Promise<DeviceLoss>, { loss: DeviceLoss | null }>()

/** Notes the loss of the backend's device from now on. */
export const watchDevice = ({ lost }: Backend): void => {
  if (losses.has(lost)) return
  const known: { loss: DeviceLoss | null } = { loss: null }
  losses.set(lost, known)
  void lost.then((loss) => {
    known.loss = loss
  })
}

/** Is the device of a watched backend gone? */
export const isLost = ({ lost }: Backend): boolean => losses.get(lost)?.loss != null

/** @throws EffuseError EF410 where the device of a watched backend is lost */
export const ensureDevice = ({ lost, name }: Backend, cause?: unknown): void => {
  const loss = losses.get(lost)?.loss
  if (loss == null) return
  throw new EffuseError({
    code: 'EF410',
    message: `the device of the backend ${name} is lost: ${loss.reason}`,
    hint: 'compile the model again, and load its variables from the last checkpoint',
    cause,
  })
}

/** Work on the device; where it fails because the device is gone, the error says so. @throws EffuseError EF410 */
export const onDevice = async <T>(backend: Backend, work: () => T | Promise<T>): Promise<T> => {
  ensureDevice(backend)
  try {
    return await work()
  } catch (error) {
    ensureDevice(backend, error)
    throw error
  }
}
