/** The option `amp`, with additions from the environment, and the backend that runs half types. */
import { environment } from '#platform'
import type { Backend, Engine } from '../backends/backend.ts'
import { namesIn } from './debug.ts'
import { EffuseError } from '../ir/diagnostics.ts'
import {
  ampDefaults,
  ampFault,
  ampSettings,
  type AmpOptions,
  type AmpSettings,
} from '../passes/mixed-precision/options.ts'
import type { Float } from '../ir/types.ts'
import { type AmpReport, decisionOf, sumReports } from '../passes/mixed-precision/report.ts'
import type { PassRecord } from '../passes/runner.ts'
import type { StepOptions } from '../passes/train/step.ts'

/** The option `amp` of `compile`. */
export interface MixedPrecision extends AmpOptions {
  /** If a backend has no half arithmetic: round after each op, which is exact and slow. Default false: an error instead. */
  readonly emulate?: boolean | undefined
}

/** The figures of mixed precision. */
export interface AmpFigures extends Omit<AmpReport, 'dtype'> {
  /** 'float32' where half types do not pay, so that nothing was cast; `note` says why. */
  readonly dtype: Float
  readonly note: string | null
  /** The backend has no half arithmetic, so each op's result is rounded. */
  readonly emulated: boolean
}

export interface AmpRequest {
  /** Null: half types do not pay on this machine. */
  readonly settings: AmpSettings | null
  readonly emulate: boolean
  readonly note: string | null
}

/**
 * The settings; null without mixed precision. If no half type is given, it is the machine's best, or float32 where that is faster.
 *
 * @throws EffuseError EF403
 */
export const ampRequest = (
  option: boolean | MixedPrecision | undefined,
  { target, emulatingHalf }: Pick<Backend, 'target' | 'emulatingHalf'>,
): AmpRequest | null => {
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
  if (given.dtype === undefined && emulate !== true && target.slowHalf !== undefined)
    return { settings: null, emulate: false, note: target.slowHalf }
  return { settings: ampSettings(options), emulate: emulate === true, note: null }
}

const listVariables = { allow: 'EFFUSE_AMP_ALLOW', deny: 'EFFUSE_AMP_DENY', keep: 'EFFUSE_AMP_KEEP' } as const

/** An error about an op that the environment names also names the variable. Users would not look there otherwise. */
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

/** A description of the fault in the option; null if it is valid. */
export const ampOptionFault = (
  option: object,
): { readonly message: string; readonly hint?: string | undefined } | null => {
  const { emulate, ...options } = option as MixedPrecision // each field is checked
  return emulate === undefined || typeof emulate === 'boolean'
    ? ampFault(options)
    : { message: `option "amp.emulate" must be true or false, got ${String(emulate)}` }
}

/** The backend, or its emulation of half types if the user requests it. @throws EffuseError EF405 */
export const engineFor = (backend: Backend, request: AmpRequest | null): Engine => {
  const settings = request?.settings ?? null
  if (request === null || settings === null || backend.target.halfTypes.includes(settings.dtype)) return backend
  const { emulatingHalf } = backend
  if (emulatingHalf !== undefined && request.emulate) return emulatingHalf
  throw new EffuseError({
    code: 'EF405',
    message: `mixed precision needs ${settings.dtype} arithmetic, and ${backend.name} computes in float32`,
    hint:
      emulatingHalf === undefined
        ? 'compile without amp, or for another backend'
        : 'amp: { emulate: true }, --emulate-half, rounds after each op: exact and slow, to see what half precision does',
  })
}

/** The environment can turn off the loss scale of a step with 'auto', because users may scale the loss themselves. @throws EffuseError EF403 */
export const withEnvironmentScale = (step: StepOptions | null): StepOptions | null => {
  const given = environment('EFFUSE_AMP_LOSS_SCALE')
  if (given !== undefined && !['', '0', '1'].includes(given))
    throw new EffuseError({ code: 'EF403', message: `EFFUSE_AMP_LOSS_SCALE must be 0 or 1, got ${given}` })
  return step !== null && given === '0' && (step.lossScale ?? 'auto') === 'auto' ? { ...step, lossScale: 'none' } : step
}

/** The sums of the figures of all plans; null without mixed precision. */
export const ampFigures = (
  records: readonly PassRecord[],
  backend: Backend,
  request: AmpRequest | null,
): AmpFigures | null => {
  const none = { casts: 0, absorbed: 0, weightCasts: 0, lowerBound: 0, warnings: [], emulated: false } as const
  if (request?.settings === null)
    return { ...none, strategy: ampDefaults.strategy, dtype: 'float32', note: request.note }
  const last = new Map(records.filter(({ name }) => name === 'amp').map((record) => [record.plan, record.after]))
  const sum = sumReports([...last.values()].flatMap((after) => decisionOf(after)?.report ?? []))
  return sum === null ? null : { ...sum, emulated: !backend.target.halfTypes.includes(sum.dtype), note: null }
}
