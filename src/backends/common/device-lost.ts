/** The error of work on a device that is gone. */
import { EffuseError } from '../../ir/diagnostics.ts'

/** @param name of the backend */
export const deviceLost = (name: string, reason: string, cause?: unknown): EffuseError =>
  new EffuseError({
    code: 'EF410',
    message: `the device of the backend ${name} is lost: ${reason}`,
    hint: 'compile the model again, on a new backend where you made the last one yourself, and load its variables from the last checkpoint',
    cause,
  })
