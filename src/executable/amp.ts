/** The option `amp`, with what the environment adds, and the engine that runs half types. */
import { environment } from '#platform'
import type { Backend, Engine } from '../backends/backend.ts'
import { namesIn } from './debug.ts'
import { EffuseError } from '../ir/diagnostics.ts'
import { ampFault, ampSettings, type AmpOptions, type AmpSettings } from '../passes/mixed-precision/options.ts'
import { type AmpReport, decisionOf, sumReports } from '../passes/mixed-precision/report.ts'
import type { PassRecord } from '../passes/runner.ts'
import type { StepOptions } from '../passes/train/step.ts'

/** What `compile` takes as `amp`. */
export interface MixedPrecision extends AmpOptions {
  /** Where a backend has no half arithmetic: round after each op, exactly and slowly. Default false: an error says so. */
  readonly emulate?: boolean | undefined
}

/** What mixed precision came to. */
export interface AmpFigures extends AmpReport {
  /** Half arithmetic is rounding after each op, since the backend has none. */
  readonly emulated: boolean
}

/** The settings, null where no mixed precision is wanted; the half type is the machine's best where none is named. @throws EffuseError EF403 */
export const ampRequest = (
  option: boolean | MixedPrecision | undefined,
  { target, emulatingHalf }: Pick<Backend, 'target' | 'emulatingHalf'>,
): { readonly settings: AmpSettings; readonly emulate: boolean } | null => {
  if (option === undefined || option === false) return null
  for (const [name, variable] of Object.entries(listVariables)) {
    const fault = ampFault({ [name]: namesIn(variable) })
    if (fault !== null) throw new EffuseError({ code: 'EF403', ...fault, message: `${variable}: ${fault.message}` })
  }
  const { emulate, ...given } = option === true ? {} : option
  const [best = emulatingHalf?.target.halfTypes[0]] = target.halfTypes
  const options: AmpOptions = {
    ...given,
    dtype: given.dtype ?? best,
    allow: [...(given.allow ?? []), ...namesIn(listVariables.allow)],
    deny: [...(given.deny ?? []), ...namesIn(listVariables.deny)],
    keep: [...(given.keep ?? []), ...namesIn(listVariables.keep)],
  }
  const fault = ampFault(options)
  if (fault !== null) throw namingVariable(new EffuseError({ code: 'EF403', ...fault }))
  return { settings: ampSettings(options), emulate: emulate === true }
}

const listVariables = { allow: 'EFFUSE_AMP_ALLOW', deny: 'EFFUSE_AMP_DENY', keep: 'EFFUSE_AMP_KEEP' } as const

/** An error about an op that the environment names says so: otherwise users would not look there. */
export const namingVariable = (error: unknown): unknown => {
  if (!(error instanceof EffuseError) || error.code !== 'EF403') return error
  const variable = Object.values(listVariables).find((name) =>
    namesIn(name).some((op) => error.message.includes(`"${op.replace(/^!/, '')}"`)),
  )
  if (variable === undefined) return error
  const { code, path, hint, diagnostics } = error
  return new EffuseError({
    ...{ code, path, hint, diagnostics, cause: error },
    message: `${variable} of the environment: ${error.message}`,
  })
}

/** What is wrong with the option as it stands, in words; null where nothing is. */
export const ampOptionFault = (
  option: object,
): { readonly message: string; readonly hint?: string | undefined } | null => {
  const { emulate, ...options } = option as MixedPrecision // looked at field by field
  return emulate === undefined || typeof emulate === 'boolean'
    ? ampFault(options)
    : { message: `option "amp.emulate" must be true or false, got ${String(emulate)}` }
}

/** The backend itself, or its emulation of half types, which is never used unasked. @throws EffuseError EF405 */
export const engineFor = (backend: Backend, request: ReturnType<typeof ampRequest>): Engine => {
  if (request === null || backend.target.halfTypes.includes(request.settings.dtype)) return backend
  const { emulatingHalf } = backend
  if (emulatingHalf !== undefined && request.emulate) return emulatingHalf
  throw new EffuseError({
    code: 'EF405',
    message: `mixed precision needs ${request.settings.dtype} arithmetic, and ${backend.name} computes in float32`,
    hint:
      emulatingHalf === undefined
        ? 'compile without amp, or for another backend'
        : 'amp: { emulate: true }, --emulate-half, rounds after each op: exact and slow, to see what half precision does',
  })
}

/** A step that leaves the scale to 'auto' has none where the environment says so: users may scale themselves. @throws EffuseError EF403 */
export const withEnvironmentScale = (step: StepOptions | null): StepOptions | null => {
  const given = environment('EFFUSE_AMP_LOSS_SCALE')
  if (given !== undefined && !['', '0', '1'].includes(given))
    throw new EffuseError({ code: 'EF403', message: `EFFUSE_AMP_LOSS_SCALE must be 0 or 1, got ${given}` })
  return step !== null && given === '0' && (step.lossScale ?? 'auto') === 'auto' ? { ...step, lossScale: 'none' } : step
}

/** The figures of all plans together; null where the pass did not run. */
export const ampFigures = (records: readonly PassRecord[], backend: Backend): AmpFigures | null => {
  const last = new Map(records.filter(({ name }) => name === 'amp').map((record) => [record.plan, record.after]))
  const sum = sumReports([...last.values()].flatMap((after) => decisionOf(after)?.report ?? []))
  return sum === null ? null : { ...sum, emulated: !backend.target.halfTypes.includes(sum.dtype) }
}
