/** Models are declarations that build graphs. `graph()` makes one from a function on values. */
import { Builder, isValue } from './build.ts'
import { EffuseError, showGiven } from './diagnostics.ts'
import { findNode } from './graph.ts'
import { shortList } from './listed.ts'
import { shownAs, showTypes } from './shown.ts'
import type { Graph, Type } from './types.ts'
import type { Signature, TensorType, Value, Values } from './value.ts'

/** Sizes of the symbolic dimensions. */
export interface Sizes {
  readonly batch: number
}

/**
 * A declaration, the argument of `compile`. It is cheap and immutable, and runs nothing.
 * `at` runs the builder with real sizes and returns the IR, which has no symbolic sizes.
 */
export interface Model<I extends Signature = Signature, O extends Signature = Signature> {
  readonly name: string
  readonly inputs: I
  readonly outputs: O
  at(sizes: Sizes): Graph
}

/** @throws EffuseError EF403 if a JavaScript caller passes something else than a model */
export const checkModel = (what: string, model: unknown): void => {
  if (
    typeof model === 'object' &&
    model !== null &&
    'inputs' in model &&
    'at' in model &&
    typeof model.at === 'function'
  )
    return
  throw new EffuseError({
    code: 'EF403',
    message: `${what} takes a model, got ${showGiven(model)}`,
    hint: 'graph(), efficientNet(), trainingStep() and evaluationStep() return models',
  })
}

/** The batch size of the probe: graph() runs each body once with it, so that errors appear at the call of graph(). */
const probeBatch = 2

/** The graph of the probe. An error that shows the probe's batch size explains it. */
export const probed = (at: Model['at']): Graph => {
  try {
    return at({ batch: probeBatch })
  } catch (error) {
    if (!(error instanceof EffuseError) || !/\[2[,\]]/.test(error.message)) throw error
    const { code, message, path, diagnostics, cause } = error
    const note = `the first size, ${probeBatch}, may be the batch: graph() first runs the function with a batch of ${probeBatch}`
    const told = new EffuseError({
      ...{ code, message, path, diagnostics, cause },
      hint: error.hint === undefined ? note : `${error.hint}; ${note}`,
    })
    Reflect.set(told, 'stack', error.stack) // it names the place of the mistake
    throw told
  }
}

/**
 * Declares a model: names and types of its inputs, and a function from values to named outputs.
 * The body runs once in this call, so that mistakes appear here, and once for each batch size later.
 *
 * @throws EffuseError EF101, EF102, EF107, EF108, EF110, EF111 with model path, both shapes and call site.
 * @example
 * const twice = graph('twice', { x: float32('batch', 3) }, ({ x }) => ({ y: add(x, x) }))
 */
export const graph = <const I extends Signature, O extends Signature>(
  name: string,
  inputs: I,
  body: (inputs: Values<I>, b: Builder) => O & { readonly [name: string]: Value },
): Model<I, O> => {
  checkInputs(name, inputs)
  if (typeof body !== 'function')
    throw new EffuseError({
      code: 'EF111',
      message: `graph "${name}" needs a function from its inputs to named outputs, got ${showGiven(body)}`,
      hint: 'write graph(name, inputs, ({ x }) => ({ y: relu(x) }))',
    })
  const whole = (inputs: Values<I>, b: Builder): { readonly [name: string]: Value } => {
    const outputs: unknown = body(inputs, b)
    checkOutputs(name, outputs)
    return outputs
  }
  const build = ({ batch }: Sizes): Graph => {
    const b = new Builder(name)
    const values = Object.fromEntries(
      Object.entries(inputs).map(([key, type]) => [key, b.input(key, typeAt(type, batch))]),
    )
    return b.finish(whole(values as Values<I>, b)) // one value per declared input, of the declared type
  }
  const built = new Map<number, WeakRef<Graph>>()
  const at = ({ batch }: Sizes): Graph => {
    if (!Number.isSafeInteger(batch) || batch < 1)
      throw new EffuseError({ code: 'EF111', message: `batch must be a positive integer, got ${batch}` })
    const known = built.get(batch)?.deref()
    if (known !== undefined) return known
    const fresh = build({ batch })
    built.set(batch, new WeakRef(fresh))
    return fresh
  }
  const outputs = outputSignature(probed(at)) as O
  const line = (): string => {
    const given = Object.entries(inputs).map(([key, { dtype, shape }]) => ({ name: key, dtype, shape }))
    return `Model "${name}": ${showTypes(given)} -> ${shortList(Object.keys(outputs))}; compile() makes it run`
  }
  const model = Object.freeze(shownAs({ name, inputs, outputs, at }, line))
  bodies.set(model, whole as Body)
  return model
}

type Body = (inputs: { readonly [name: string]: Value }, b: Builder) => { readonly [name: string]: Value }
const bodies = new WeakMap<object, Body>()
/** The body of a model that graph() made, for apply(); null for other models. */
export const bodyOf = (model: object): Body | null => bodies.get(model) ?? null

/** The type with `batch` replaced. */
export const typeAt = (type: TensorType, batch: number): Type => ({
  dtype: type.dtype,
  shape: type.shape.map((size) => (size === 'batch' ? batch : size)),
})

const checkInputs = (name: string, inputs: Signature): void => {
  if (typeof name !== 'string' || name === '' || typeof inputs !== 'object' || inputs === null)
    throw new EffuseError({
      code: 'EF111',
      message: `graph() takes a name, inputs and a function, got ${showGiven(name)} and ${showGiven(inputs)}`,
      hint: "write graph('net', { image: float32('batch', 224, 224, 3) }, ({ image }) => …)",
    })
  for (const [key, type] of Object.entries(inputs)) {
    const bad = type?.shape?.find((size) => size !== 'batch' && (!Number.isSafeInteger(size) || size < 1))
    if (type?.shape === undefined || bad !== undefined) {
      throw new EffuseError({
        code: 'EF111',
        message: `input "${key}" of ${name}: sizes must be positive integers or 'batch', got ${String(bad)}`,
        hint: "declare it as float32('batch', 224, 224, 3)",
      })
    }
  }
}

/** Checks that the outputs are a record; finish() checks that each one is a tensor of the graph. */
function checkOutputs(name: string, outputs: unknown): asserts outputs is { readonly [name: string]: Value } {
  if (typeof outputs === 'object' && outputs !== null && !isValue(outputs) && Object.keys(outputs).length > 0) return
  throw new EffuseError({
    code: 'EF111',
    message: `the body of ${name} must return an object of named outputs, got ${isValue(outputs) ? 'a tensor' : outputs instanceof Promise ? 'a promise' : showGiven(outputs)}`,
    hint: 'return { y }',
  })
}

const outputSignature = (probe: Graph): Signature =>
  Object.fromEntries(
    probe.outputs.map(({ name, value }) => {
      const type = findNode(probe, value.id)?.types[value.port] as Type // finish() checked it
      return [name, Object.freeze({ dtype: type.dtype, rank: type.shape.length, shape: type.shape })]
    }),
  )
