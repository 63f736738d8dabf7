/** The initial variables of an executable: new ones, another executable's, or copies from another backend. */
import type { Backend, HostArray } from '../backends/backend.ts'
import { jointTurn } from '../backends/common/turns.ts'
import { EffuseError } from '../ir/diagnostics.ts'
import { listed, shortList } from '../ir/listed.ts'
import { sameType, showType, type Type } from '../ir/types.ts'
import { watchDevice } from './device-loss.ts'
import { declareAll, type VariableSpec } from './variable-spec.ts'
import { handleOf, holdStore, type Variables, type VariablesHandle } from './variables.ts'
import type { WeightsSource } from './weights-source.ts'

/** A new store, another executable's store on the same backend, or a store with copies from another backend. */
export const variablesFor = async (
  backend: Backend,
  specs: ReadonlyMap<string, VariableSpec>,
  source: Variables | WeightsSource | undefined,
  seed: number,
): Promise<VariablesHandle> => {
  watchDevice(backend)
  const other = handleOf(source)
  if (other === null)
    return {
      backend,
      store: declareAll(backend.createStore(), specs.values(), seed, sameName),
      specs,
      nameOf: sameName,
      users: { count: 1 },
    }
  checkShared(specs, other)
  if (other.store.device === backend.device) {
    checkDistinct(specs, other)
    holdStore(other)
    return { ...other, backend, store: declareAll(other.store, specs.values(), seed, other.nameOf) }
  }
  const store = declareAll(backend.createStore(), specs.values(), seed, sameName)
  const names = [...specs.keys()].filter((name) => other.store.has(other.nameOf(name)))
  // A copy reads there and writes here, in one joint turn.
  await jointTurn([other.store, store], async ([from, to]) => {
    const values = await from?.read(names.map(other.nameOf))
    to?.write(new Map(names.map((name) => [name, values?.get(other.nameOf(name)) as HostArray]))) // the turn read all of them
  })
  return { backend, store, specs, nameOf: sameName, users: { count: 1 } }
}

const sameName = (name: string): string => name

/** Missing variables, such as slots and averages, start at their initial values. If all are missing, the variables are another model's. */
const checkShared = (specs: ReadonlyMap<string, VariableSpec>, other: VariablesHandle): void => {
  const names = [...specs.keys()]
  if (names.length > 0 && !names.some((name) => other.store.has(other.nameOf(name))))
    throw new EffuseError({
      code: 'EF408',
      message: `the variables given are of another model: it has none of ${shortList(names, 3)}, but ${shortList([...other.specs.keys()], 3)}`,
    })
  const differences: string[] = []
  for (const { name, type } of specs.values()) {
    const theirs: Type | null = other.store.typeOf(other.nameOf(name))
    if (theirs !== null && !sameType(theirs, type))
      differences.push(`"${name}" is ${showType(type)} here and ${showType(theirs)} there`)
  }
  if (differences.length > 0)
    throw new EffuseError({
      code: 'EF408',
      message: `the variables cannot be shared:${listed(differences)}`,
    })
}

/** Averages replace their weights. A step that has both would overwrite one with the other. */
const checkDistinct = (specs: ReadonlyMap<string, VariableSpec>, { nameOf }: VariablesHandle): void => {
  const known = new Map<string, string>()
  for (const name of specs.keys()) {
    const first = known.get(nameOf(name))
    if (first !== undefined)
      throw new EffuseError({
        code: 'EF408',
        message: `"${first}" and "${name}" are two variables here and one among the averages given`,
        hint: 'averages are for running the model; train with the variables themselves: { variables: trainer.variables }',
      })
    known.set(nameOf(name), name)
  }
}
