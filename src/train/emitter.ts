/** Passes events to the user's function, which may be async. A rejection ends the run, not the process. */
import { EffuseError } from '../ir/diagnostics.ts'
import type { TrainingEvent } from './events.ts'
import type { FitOptions } from './fit-options.ts'

export interface Emitter {
  readonly emit: (event: TrainingEvent) => void
  /** @throws EffuseError EF403 if a promise of an earlier event was rejected */
  check(): void
  /** Waits for the promises of all events. @throws as check() does */
  settle(): Promise<void>
}

export const makeEmitter = (onEvent: FitOptions['onEvent'] = () => {}): Emitter => {
  const pending = new Set<Promise<void>>()
  let fault: EffuseError | null = null
  const check = (): void => {
    if (fault !== null) throw fault
  }
  return {
    emit: (event) => {
      const answer: unknown = onEvent(event)
      if (!(answer instanceof Promise)) return
      const watched: Promise<void> = answer
        .catch((error: unknown) => {
          fault ??= new EffuseError({
            code: 'EF403',
            message: `onEvent() rejected at the event "${event.kind}": ${error instanceof Error ? error.message : String(error)}`,
            hint: 'catch errors in onEvent() that must not end the run',
            cause: error,
          })
        })
        .then(() => {
          pending.delete(watched)
        })
      pending.add(watched)
    },
    check,
    settle: async () => {
      await Promise.all(pending)
      check()
    },
  }
}
