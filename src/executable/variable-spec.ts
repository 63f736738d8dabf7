/** The declaration of a variable: type and initial value, from the graphs that name it. */
import { hostArrayOf, type Store } from '../backends/backend.ts'
import { variablesOf } from '../ir/graph.ts'
import { type Initializer, initialValues } from '../ir/initializers.ts'
import type { Graph, Type } from '../ir/types.ts'

export interface VariableSpec {
  readonly name: string
  readonly type: Type
  readonly trainable: boolean
  readonly init: Initializer
}

/** The variables of some graphs, each once, in canonical order. */
export const specsOf = (graphs: readonly Graph[]): readonly VariableSpec[] => {
  const specs = new Map<string, VariableSpec>()
  for (const graph of graphs) {
    for (const {
      attrs,
      types: [type],
    } of variablesOf(graph)) {
      if (type !== undefined)
        specs.set(attrs.name, {
          name: attrs.name,
          type,
          trainable: attrs.trainable,
          init: attrs.init,
        })
    }
  }
  return [...specs.values()]
}

/** Adds the variables that the store does not have yet, under the store's names. */
export const declareAll = (
  store: Store,
  specs: Iterable<VariableSpec>,
  seed: number,
  nameOf: (name: string) => string,
): Store => {
  for (const spec of specs) declare(store, nameOf(spec.name), spec, seed)
  return store
}

const declare = (store: Store, as: string, { name, type, init }: VariableSpec, seed: number): void => {
  if (!store.has(as))
    store.declare(as, type, () => hostArrayOf(type.dtype, initialValues(init, type.shape, { seed, name })))
}
