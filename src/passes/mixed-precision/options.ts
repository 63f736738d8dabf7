/** The options of mixed precision: half type, strategy, ops and layers. All of them are checked here. */
import { type Check, type Fault, flag, isNames, recordFault } from '../../ir/check-record.ts'
import { isOpName, opDef, opNames } from '../../ir/ops/index.ts'
import type { Half } from '../../ir/types.ts'
import { didYouMean } from '../../ir/words.ts'

export const halfTypes: readonly Half[] = ['float16', 'bfloat16']

/** 'minCut': the minimal number of casts. 'tensorflow': the decisions of TensorFlow's own rewrite. */
export type StrategyName = 'minCut' | 'tensorflow'
export const strategyNames: readonly StrategyName[] = ['minCut', 'tensorflow']

export interface AmpOptions {
  /** Default 'float16'. */
  readonly dtype?: Half | undefined
  /** Default 'minCut'. */
  readonly strategy?: StrategyName | undefined
  /** Ops that always compute in half, in addition to those of class allow. '!conv2d' removes one. */
  readonly allow?: readonly string[] | undefined
  /** Ops that always compute in float32. '!exp' removes one. */
  readonly deny?: readonly string[] | undefined
  /** Globs of paths that stay float32 completely, including gradients: 'blocks.*\/se/**'. */
  readonly keep?: readonly string[] | undefined
  /** Round every value that the pass makes half, even if a fused kernel could keep more precision. Default false. */
  readonly strict?: boolean | undefined
  /** For the strategy 'tensorflow': infer ops follow a half operand even if no allow op follows, as in TensorFlow 2.21. Default false, as in 2.15. */
  readonly followAllow?: boolean | undefined
}

/** The options with all defaults set. */
export type AmpSettings = { readonly [K in keyof AmpOptions]-?: Exclude<AmpOptions[K], undefined> }

export const ampDefaults: AmpSettings = {
  dtype: 'float16',
  strategy: 'minCut',
  allow: [],
  deny: [],
  keep: [],
  strict: false,
  followAllow: false,
}

export const ampSettings = (options: AmpOptions): AmpSettings => ({
  dtype: options.dtype ?? ampDefaults.dtype,
  strategy: options.strategy ?? ampDefaults.strategy,
  allow: options.allow ?? ampDefaults.allow,
  deny: options.deny ?? ampDefaults.deny,
  keep: options.keep ?? ampDefaults.keep,
  strict: options.strict ?? ampDefaults.strict,
  followAllow: options.followAllow ?? ampDefaults.followAllow,
})

/** Options that differ from the default; the text form of the pass shows them. */
export const statedOptions = (settings: AmpSettings): { readonly [name: string]: unknown } =>
  Object.fromEntries(
    Object.entries(settings).filter(([name, value]) => {
      const standard = ampDefaults[name as keyof AmpSettings] // the entries are a settings object's own
      return name === 'dtype' || (Array.isArray(value) ? value.length > 0 : value !== standard)
    }),
  )

const areOps = (value: unknown): boolean => isNames(value) && !value.includes('') && !value.includes('!')

const expectations: { readonly [K in keyof AmpSettings]: Check } = {
  dtype: ["'float16' or 'bfloat16'", (v) => halfTypes.some((dtype) => dtype === v)],
  strategy: ["'minCut' or 'tensorflow'", (v) => strategyNames.some((name) => name === v)],
  allow: ['a list of names of ops', areOps],
  deny: ['a list of names of ops', areOps],
  keep: ['a list of globs of paths', areOps],
  strict: flag,
  followAllow: flag,
}

/** Describes the fault in untyped options; null if they are valid. */
export const ampFault = (options: object): Fault | null =>
  recordFault('mixed precision', 'amp.', options, expectations) ?? strategyFault(options) ?? listFault(options)

const strategyFault = ({ strategy = ampDefaults.strategy, followAllow }: AmpOptions): Fault | null =>
  followAllow === true && strategy !== 'tensorflow'
    ? {
        message: `option "amp.followAllow" belongs to the strategy 'tensorflow', and the strategy is '${strategy}'`,
        hint: "set strategy: 'tensorflow', or leave it out",
      }
    : null

/** Ops that earlier passes have replaced. A list entry with one of them would have no effect. */
const becoming: { readonly [op: string]: string } = {
  batchNorm: 'by then it is batchNormInference, or batchNormTraining and batchNormGradient: name these',
  dropout: 'by then it is a select of the value times a number: keep its path instead',
  composite: 'name the composite itself, as in composite(name, …)',
  fusion: 'fused regions are made afterwards: name the ops in them',
}

/** A name is an op or a user's composite. Only a graph has composites, so here it is only checked that the name is not a misspelt op. */
const listFault = ({ allow = [], deny = [] }: AmpOptions): Fault | null => {
  const both = plainNames(allow).find((op) => plainNames(deny).includes(op))
  if (both !== undefined)
    return {
      message: `the op "${both}" is in two lists, allow and deny`,
      hint: 'options and the EFFUSE_AMP_ variables of the environment count together: take it out of one',
    }
  for (const list of [allow, deny]) {
    const torn = plainNames(list).find((op) => list.includes(`!${op}`))
    if (torn !== undefined) return { message: `"${torn}" and "!${torn}" are in one list` }
  }
  const gone = [...allow, ...deny].map((name) => name.replace(/^!/, '')).find((name) => Object.hasOwn(becoming, name))
  if (gone !== undefined) return { message: `mixed precision never meets the op "${gone}"`, hint: becoming[gone] }
  const fixed = plainNames(allow).find((op) => isOpName(op) && opDef(op).amp.length === 0)
  if (fixed !== undefined)
    return { message: `the op "${fixed}" cannot be allowed: its operands and results have types of their own` }
  return null
}

const plainNames = (list: readonly string[]): readonly string[] => list.filter((name) => !name.startsWith('!'))

/** A name in the lists that is neither an op nor a composite of the graph; or null. */
export const unknownOp = ({ allow, deny }: AmpSettings, composites: ReadonlySet<string>): Fault | null => {
  const unknown = [...allow, ...deny]
    .map((name) => name.replace(/^!/, ''))
    .find((name) => !isOpName(name) && !composites.has(name))
  return unknown === undefined
    ? null
    : {
        message: `there is no op "${unknown}" to allow or deny`,
        hint: didYouMean(unknown, [...opNames, ...composites]),
      }
}
