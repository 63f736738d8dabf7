/** Errors of runs. */
import { EffuseError } from '../../../ir/diagnostics.ts'

/** A kernel failed, or a thread ended. */
export const runFailed = (reason: string): EffuseError =>
  new EffuseError({
    code: 'EF411',
    message: `a run on the backend wasm failed: ${reason}`,
    hint: 'the variables are unchanged; the next run starts new threads',
  })

/** The backend was disposed of. */
export const disposed = (): EffuseError =>
  new EffuseError({ code: 'EF406', message: 'the backend wasm was disposed of', hint: 'make a new backend' })
