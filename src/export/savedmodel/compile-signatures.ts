/** Compiles the programs of all signatures, over one store of variables. */
import type { Backend, HostArray } from '../../backends/backend.ts'
import { compile } from '../../compile.ts'
import type { Executable } from '../../executable/executable.ts'
import type { CompileOptions } from '../../executable/options.ts'
import { specsOf, type VariableSpec } from '../../executable/variable-spec.ts'
import { handleOf } from '../../executable/variables.ts'
import type { Model } from '../../ir/model.ts'
import { graphsOf } from '../../passes/program.ts'
import { stepOptionsOf } from '../../passes/train/declaration.ts'
import { recording, type RecordedProgram } from '../recorded-program.ts'

export interface NamedModel {
  readonly name: string
  readonly model: Model
  readonly batch: number
}

export interface CompiledSignature extends RecordedProgram {
  readonly name: string
}

type Compiling = Omit<CompileOptions, 'backend' | 'batch'>

/** @throws EffuseError as compile() */
export const compileSignatures = async (
  backend: Backend,
  models: readonly NamedModel[],
  { variables: given, ...options }: Compiling,
): Promise<{ readonly plans: readonly CompiledSignature[]; readonly dispose: () => void }> => {
  const { backend: recorder, last } = recording(backend)
  const executables: Executable[] = []
  const plans: CompiledSignature[] = []
  const dispose = (): void => {
    for (const executable of executables) executable.dispose()
  }
  const handle = handleOf(given)
  try {
    const [first, ...others] = handle === null ? models : trainingFirst(models)
    for (const { name, model, batch } of first === undefined ? [] : [first, ...others]) {
      const variables = executables[0]?.variables ?? given
      executables.push(await compile(model, { ...options, backend: recorder, batch, variables }))
      plans.push({ name, ...last() })
    }
    const known = new Set(
      plans
        .slice(0, 1)
        .flatMap(variablesIn)
        .map(({ name }) => name),
    )
    if (given !== undefined)
      await startAverages(plans, (name) => (handle === null ? known.has(name) : handle.store.has(handle.nameOf(name))))
    return { plans: models.flatMap(({ name }) => plans.filter((plan) => plan.name === name)), dispose }
  } catch (error) {
    dispose()
    throw error
  }
}

/** The first program receives the variables of another executable. A training step comes first, since it has all variables that the others have. */
const trainingFirst = (models: readonly NamedModel[]): readonly NamedModel[] =>
  [...models].sort((a, b) => Number(stepOptionsOf(b.model) !== null) - Number(stepOptionsOf(a.model) !== null))

const variablesIn = ({ program }: RecordedProgram): readonly VariableSpec[] => specsOf(graphsOf(program))

/** Averages start with the values of the given weights, unless values of the averages were given too. */
const startAverages = async (
  plans: readonly CompiledSignature[],
  wasGiven: (name: string) => boolean,
): Promise<void> => {
  for (const plan of plans) {
    const copies = variablesIn(plan).flatMap(({ name, init }): (readonly [string, string])[] =>
      init.kind === 'sameAs' && !wasGiven(name) && wasGiven(init.name)
        ? [[plan.nameOf(name), plan.nameOf(init.name)]]
        : [],
    )
    if (copies.length === 0) continue
    await plan.store.turn(async (turn) => {
      const values = await turn.read(copies.map(([, from]) => from))
      turn.write(new Map(copies.map(([to, from]) => [to, values.get(from) as HostArray]))) // all values were read above
    })
  }
}
