/** Applies a model inside another one: runs its body again, in the graph that its input values belong to. */
import { type Builder, builderOf, isValue } from './build.ts'
import { type Check, checkPresent, checkRecord, flag } from './check-record.ts'
import { EffuseError, showGiven } from './diagnostics.ts'
import { bodyOf, checkModel, type Model } from './model.ts'
import { joinPath } from './places.ts'
import { showType } from './types.ts'
import type { Signature, TensorType, Value, Values } from './value.ts'

export interface ApplyOptions {
  /** Path of the part: the names of the model's variables begin with it. Unique in the graph. */
  readonly name: string
  /** true: reuses the variables of an earlier part with this name. Default false. */
  readonly share?: boolean | undefined
}

const needed: { readonly name: Check } = {
  name: ['a path such as backbone', (v) => typeof v === 'string' && v !== ''],
}
const checks: { readonly [K in keyof Required<ApplyOptions>]: Check } = {
  ...needed,
  share: flag,
}

/**
 * Applies a model to values of a graph that is being built, and returns its outputs as values. An example is a backbone in the caller's own
 * network. The variables are named `name/<variable>`; `openModel(file, { under: name })` returns weights for them.
 *
 * @throws EffuseError EF107 (the name is taken), EF401, EF402 (inputs), EF403 (options, or a model that graph() did not make), EF110 (a value
 * of another graph).
 * @example
 * const backbone = efficientNet('b0', { head: false, resolution: 96 })
 * const flowers = graph('flowers', { image: float32('batch', 96, 96, 3) }, ({ image }) => {
 *   const { pooled } = apply(backbone, { image }, { name: 'backbone' }) // [batch,1280]
 *   const logits = nn.dense(dropout(pooled, { rate: 0.2 }), { name: 'kind', units: 5 })
 *   return { logits, probabilities: softmax(logits) }
 * })
 */
export const apply = <I extends Signature, O extends Signature>(
  model: Model<I, O>,
  inputs: Values<I>,
  options: ApplyOptions,
): Values<O> => {
  checkModel('apply()', model)
  checkRecord('apply()', '', options, checks)
  checkPresent('apply()', options, needed)
  const body = bodyOf(model)
  if (body === null)
    throw new EffuseError({
      code: 'EF403',
      message: `apply() takes a model of graph() or efficientNet(); ${model.name} is made of another model`,
      hint: 'apply the model itself, and make the training step of the whole network',
    })
  const b = builderAmong(model.name, inputs)
  checkInputs(joinPath(b.path, options.name), model.inputs, inputs)
  return b.part(`apply(${model.name})`, options.name, options.share === true, () => body(inputs, b)) as Values<O> // the body's declared outputs
}

const builderAmong = (name: string, inputs: { readonly [input: string]: Value }): Builder => {
  const value: unknown = Object.values(inputs ?? {})[0]
  if (isValue(value)) return builderOf(value)
  throw new EffuseError({
    code: 'EF402',
    message: `apply() takes the inputs of ${name} as values of the graph, got ${showGiven(value)}`,
    hint: "write apply(model, { image }, { name: 'backbone' }), with values that graph() passes to its body or that ops return",
  })
}

const checkInputs = (path: string, wanted: Signature, given: { readonly [input: string]: unknown }): void => {
  const names = Object.keys(wanted)
  const stray = Object.keys(given).find((name) => !Object.hasOwn(wanted, name))
  const missing = names.find((name) => given[name] === undefined)
  if (stray !== undefined || missing !== undefined)
    throw new EffuseError({
      code: 'EF401',
      path,
      message: `${path}: ${missing === undefined ? `there is no input "${stray}"` : `the input "${missing}" is missing`}; the model has ${names.join(', ')}`,
    })
  let batch: number | null = null
  for (const [name, type] of Object.entries(wanted)) {
    const value = given[name]
    const size = isValue(value) ? batchOf(type, value) : null
    if (!isValue(value) || size === null || (batch !== null && size >= 0 && size !== batch))
      throw new EffuseError({
        code: 'EF402',
        path,
        message: `${path}: the input "${name}" is ${type.dtype}[${type.shape.join(',')}], got ${isValue(value) ? showType(value) : showGiven(value)}`,
        hint: batch === null ? undefined : `'batch' is ${batch} in the earlier inputs`,
      })
    if (size >= 0) batch = size
  }
}

/** The size of 'batch' in a value: -1 if its declared type has none, null if the value does not have the type. */
const batchOf = ({ dtype, shape }: TensorType, value: Value): number | null => {
  if (value.dtype !== dtype || value.shape.length !== shape.length) return null
  let batch = -1
  for (const [axis, size] of shape.entries()) {
    const actual = value.shape[axis] ?? 0
    if (size !== 'batch' ? size !== actual : batch >= 0 && batch !== actual) return null
    if (size === 'batch') batch = actual
  }
  return batch
}
