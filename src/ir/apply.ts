/** A model inside another one: its body runs again, in the graph of the values that it is given. */
import { type Builder, builderOf, isValue } from './build.ts'
import { type Check, checkPresent, checkRecord, flag } from './check-record.ts'
import { EffuseError, showGiven } from './diagnostics.ts'
import { bodyOf, checkModel, type Model } from './model.ts'
import { joinPath } from './places.ts'
import { showType } from './types.ts'
import type { Signature, TensorType, Value, Values } from './value.ts'

export interface ApplyOptions {
  /** Path of the part: the model's variables lie below it. No other part of the graph may have it. */
  readonly name: string
  /** true: an earlier part of this name is used again, its variables with it. Default false. */
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
 * Applies a model to values of a graph that is being built, and gives its outputs as values: a backbone in the caller's own network. Its
 * variables are named `name/<variable>`; `openModel(file, { under: name })` gives weights for them.
 *
 * @throws EffuseError EF107 (the name is taken), EF401, EF402 (inputs), EF403 (options, or no model that graph() made), EF110 (a value of
 * another graph).
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
      hint: 'apply the model itself, and make the training step of the whole',
    })
  const b = builderAmong(model.name, inputs)
  checkInputs(joinPath(b.path, options.name), model.inputs, inputs)
  return b.part(`apply(${model.name})`, options.name, options.share === true, () => body(inputs, b)) as Values<O> // as it was declared
}

const builderAmong = (name: string, inputs: { readonly [input: string]: Value }): Builder => {
  const value: unknown = Object.values(inputs ?? {})[0]
  if (isValue(value)) return builderOf(value)
  throw new EffuseError({
    code: 'EF402',
    message: `apply() takes the inputs of ${name} as values of the graph, got ${showGiven(value)}`,
    hint: "apply(model, { image }, { name: 'backbone' }), with what graph() hands to its body, or what ops return",
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
        hint: batch === null ? undefined : `'batch' is ${batch} in the inputs before it`,
      })
    if (size >= 0) batch = size
  }
}

/** What 'batch' is by a value, -1 where its type has none; null where the value is not of the type. */
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
