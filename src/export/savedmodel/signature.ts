/**
 * Adds one signature of a SavedModel: the steps of a program as calls of their functions, between reads and assignments of variables. All reads
 * execute before any assignment, and the outputs are available after all assignments.
 */
import { create } from '@bufbuild/protobuf'
import { attr, shapeProto } from '../../backends/tensorflow/attributes.ts'
import { FunctionBuilder } from '../../backends/tensorflow/function-builder.ts'
import type { LoweredGraph, Operand } from '../../backends/tensorflow/lower-graph.ts'
import {
  type SignatureDef,
  SignatureDefSchema,
  TensorInfoSchema,
} from '../../backends/tensorflow/proto/tensorflow_pb.ts'
import { dataTypes, type TfType, type TfValue } from '../../backends/tensorflow/types.ts'
import { EffuseError, invariant } from '../../ir/diagnostics.ts'
import { inputTypes } from '../../ir/graph.ts'
import type { Type } from '../../ir/types.ts'
import { type GraphStep, graphSteps, type Program } from '../../passes/program.ts'
import { type GraphWriter, resultsOf, type Tensor } from './graph-writer.ts'
import type { StoredVariables } from './stored-variables.ts'

export interface SignaturePlan {
  readonly name: string
  readonly program: Program
  /** The program's graphs by the names of their steps, without steps that the signature does not run. */
  readonly lowered: ReadonlyMap<string, LoweredGraph>
  /** The name of a program variable in the SavedModel; null for values that each call computes again. */
  readonly keptAs: (variable: string) => string | null
  /** The same for an operand that is a constant stored beside a graph. */
  readonly constantKeptAs: (step: string, operand: number) => string
  /** The int64 variable that counts the calls. */
  readonly counter: string
  readonly seed: number
}

export interface AddedSignature {
  readonly definition: SignatureDef
  readonly inputs: { readonly [name: string]: Type }
  readonly outputs: { readonly [name: string]: Type }
}

/** @throws EffuseError EF405 for an output that some calls do not compute */
export const addSignature = (graph: GraphWriter, plan: SignaturePlan, variables: StoredVariables): AddedSignature =>
  new SignatureWriter(graph, plan, variables).write()

class SignatureWriter {
  readonly #graph: GraphWriter
  readonly #plan: SignaturePlan
  readonly #variables: StoredVariables
  readonly #inputs = new Map<string, Tensor>()
  /** The values of variables after the steps so far. */
  readonly #current = new Map<string, Tensor>()
  readonly #written = new Set<string>()
  /** Values that steps pass on or return as results. */
  readonly #given = new Map<string, Tensor>()
  readonly #reads: string[] = []
  readonly #assigns: string[] = []
  #run: { readonly words: Tensor; readonly count: Tensor } | null = null

  constructor(graph: GraphWriter, plan: SignaturePlan, variables: StoredVariables) {
    this.#graph = graph
    this.#plan = plan
    this.#variables = variables
  }

  write(): AddedSignature {
    const { program, lowered } = this.#plan
    const crossing = new Set(program.crossing.map(({ name }) => name))
    const steps = graphSteps(program).filter(({ name }) => lowered.has(name))
    for (const { graph } of steps)
      for (const [name, type] of inputTypes(graph)) if (!crossing.has(name)) this.#addInput(name, type)
    // Collectives combine replicas; a SavedModel has only one.
    for (const step of steps) this.#addStep(step, lowered.get(step.name) as LoweredGraph) // all steps that have a graph
    this.#assignAll()
    return this.#finish([...this.#given].filter(([name]) => !crossing.has(name)))
  }

  #addInput(name: string, type: Type): void {
    if (this.#inputs.has(name)) return
    const node = this.#add('Placeholder', `${name}`, [], {
      dtype: attr.type(type.dtype),
      shape: attr.shape(type.shape),
    })
    this.#inputs.set(name, { ref: node, ...type })
  }

  #addStep(step: GraphStep, lowered: LoweredGraph): void {
    const operands = lowered.operands.map((operand, at) => this.#operand(step, operand, at))
    const results = [...lowered.outputs, ...lowered.updates]
    const types = results.map(({ type }) => type)
    const values =
      step.when.kind === 'counter'
        ? this.#callIf(step, lowered, operands, this.#isReached(step.when))
        : this.#call(step.name, lowered.name, operands, types)
    this.#graph.addFunctions(lowered.functions)
    for (const [i, { name }] of lowered.outputs.entries()) this.#given.set(name, values[i] as Tensor) // one value for each output
    for (const [i, { name }] of lowered.updates.entries()) {
      this.#current.set(name, values[lowered.outputs.length + i] as Tensor)
      this.#written.add(name)
    }
  }

  #operand({ name: step }: GraphStep, operand: Operand, at: number): Tensor {
    if (operand.kind === 'run') return this.#runWords().words
    if (operand.kind === 'constant') return this.#read(this.#plan.constantKeptAs(step, at))
    if (operand.kind === 'variable') return this.#variable(operand.name)
    const found = this.#inputs.get(operand.name) ?? this.#given.get(operand.name)
    invariant(found !== undefined, () => `no step before "${step}" computes its input "${operand.name}"`)
    return found
  }

  #variable(name: string): Tensor {
    const known = this.#current.get(name)
    if (known !== undefined) return known
    const kept = this.#plan.keptAs(name)
    invariant(kept !== null, () => `no earlier step computes the derived value "${name}"`)
    const value = this.#read(kept)
    this.#current.set(name, value)
    return value
  }

  #read(kept: string): Tensor {
    const { node, value } = this.#variables.read(kept, `${this.#plan.name}/read/${kept}`)
    this.#reads.push(node)
    return value
  }

  #call(as: string, name: string, operands: readonly Tensor[], types: readonly TfType[]): readonly Tensor[] {
    const attrs = { Tin: typesOf(operands), Tout: typesOf(types), f: attr.func(name) }
    return resultsOf(this.#add('PartitionedCall', as, refsOf(operands), attrs), types)
  }

  /** Calls the function if the step is due. Otherwise the values stay: those of variables, and results of earlier steps. */
  #callIf(step: GraphStep, lowered: LoweredGraph, operands: readonly Tensor[], isDue: Tensor): readonly Tensor[] {
    const before = [
      ...lowered.outputs.map(({ name }) => this.#given.get(name) ?? this.#missing(name, step)),
      ...lowered.updates.map(({ name }) => this.#variable(name)),
    ]
    const [yes, no] = [new FunctionBuilder(`${lowered.name}_due`), new FunctionBuilder(`${lowered.name}_kept`)]
    const all = [...operands, ...before]
    const inYes = all.map((value) => yes.argument(value))
    for (const value of calledIn(yes, lowered, inYes.slice(0, operands.length))) yes.result(value)
    for (const value of all.map((each) => no.argument(each)).slice(operands.length)) no.result(value)
    this.#graph.addFunctions([yes.finish(), no.finish()])
    const attrs = {
      Tcond: attr.type('bool'),
      Tin: typesOf(all),
      Tout: typesOf(before),
      then_branch: attr.func(yes.name),
      else_branch: attr.func(no.name),
      output_shapes: attr.shapes(before.map(({ shape }) => shape)),
    }
    return resultsOf(this.#add('StatelessIf', step.name, [isDue.ref, ...refsOf(all)], attrs), before)
  }

  #missing(output: string, step: GraphStep): never {
    throw new EffuseError({
      code: 'EF405',
      message: `each call of a SavedModel returns all outputs, but ${this.#plan.program.name} computes "${output}" only when its step "${step.name}" runs`,
    })
  }

  #isReached({ variable, value }: { readonly variable: string; readonly value: number }): Tensor {
    const reached = this.#constant('int32', [], Int32Array.of(value))
    const node = this.#add('Equal', `${variable}_reached`, [this.#variable(variable).ref, reached], {
      T: attr.type('int32'),
    })
    return { ref: node, dtype: 'bool', shape: [] }
  }

  /** The seed, the run number (low and high word) and the replica: random numbers depend on them. */
  #runWords(): { readonly words: Tensor; readonly count: Tensor } {
    if (this.#run !== null) return this.#run
    const { counter, seed } = this.#plan
    const count = this.#read(counter)
    const halves = this.#add('Bitcast', 'run/halves', [count.ref], { T: attr.type('int64'), type: attr.type('int32') })
    const [first, last] = [seed, 0].map((word) => this.#constant('int32', [1], Int32Array.of(word | 0)))
    const axis = this.#constant('int32', [], Int32Array.of(0))
    const words = this.#add('ConcatV2', 'run/words', [first as string, halves, last as string, axis], {
      N: attr.int(3),
      T: attr.type('int32'),
      Tidx: attr.type('int32'),
    })
    this.#run = { words: { ref: words, dtype: 'int32', shape: [4] }, count }
    return this.#run
  }

  #constant(dtype: 'int32' | 'int64', shape: readonly number[], { buffer }: Int32Array | BigInt64Array): string {
    const value = attr.tensor(dtype, shape, new Uint8Array(buffer as ArrayBuffer))
    return this.#add('Const', 'constant', [], { dtype: attr.type(dtype), value })
  }

  #assignAll(): void {
    const { name: signature, keptAs, counter } = this.#plan
    const values = new Map<string, Tensor>()
    for (const variable of this.#written) {
      const kept = keptAs(variable)
      if (kept !== null) values.set(kept, this.#current.get(variable) as Tensor) // a step wrote it
    }
    if (this.#run !== null) {
      const one = this.#constant('int64', [], BigInt64Array.of(1n))
      const next = this.#add('AddV2', 'run/next', [this.#run.count.ref, one], { T: attr.type('int64') })
      values.set(counter, { ref: next, dtype: 'int64', shape: [] })
    }
    if (values.size === 0) return
    const read = this.#add('NoOp', 'all_read', [], {}, this.#reads)
    for (const [kept, value] of values)
      this.#assigns.push(this.#variables.assign(kept, value, `${signature}/assign/${kept}`, [read]))
  }

  #finish(outputs: readonly (readonly [string, Tensor])[]): AddedSignature {
    const done = this.#assigns.length === 0 ? [] : [this.#add('NoOp', 'all_assigned', [], {}, this.#assigns)]
    const results = outputs.map(([name, value]) => {
      const ref = this.#add('Identity', `outputs/${name}`, [value.ref], { T: attr.type(value.dtype) }, done)
      return [name, { ...value, ref }] as const
    })
    const definition = create(SignatureDefSchema, {
      inputs: infos(this.#inputs),
      outputs: infos(results),
      methodName: 'tensorflow/serving/predict',
    })
    return { definition, inputs: irTypes(this.#inputs), outputs: irTypes(results) }
  }

  #add(op: string, as: string, ...rest: DropTwo<Parameters<GraphWriter['add']>>): string {
    return this.#graph.add(op, `${this.#plan.name}/${as}`, ...rest)
  }
}

type DropTwo<T extends readonly unknown[]> = T extends readonly [unknown, unknown, ...infer Rest] ? Rest : never

const calledIn = (f: FunctionBuilder, lowered: LoweredGraph, operands: readonly TfValue[]): readonly TfValue[] => {
  const types = [...lowered.outputs, ...lowered.updates].map(({ type }) => type)
  return f.ops(
    'PartitionedCall',
    operands,
    { Tin: typesOf(operands), Tout: typesOf(types), f: attr.func(lowered.name) },
    types,
  )
}

const typesOf = (values: readonly TfType[]) => attr.types(values.map(({ dtype }) => dtype))
const refsOf = (values: readonly Tensor[]): readonly string[] => values.map(({ ref }) => ref)

type Named = Iterable<readonly [string, Tensor]>

const infos = (values: Named) =>
  Object.fromEntries(
    [...values].map(([name, { ref, dtype, shape }]) => [
      name,
      create(TensorInfoSchema, {
        encoding: { case: 'name', value: ref.includes(':') ? ref : `${ref}:0` },
        dtype: dataTypes[dtype],
        tensorShape: shapeProto(shape),
      }),
    ]),
  )

/** The inputs and outputs of graphs have types of the IR. */
const irTypes = (values: Named): { readonly [name: string]: Type } =>
  Object.fromEntries([...values].map(([name, { dtype, shape }]) => [name, { dtype, shape } as Type]))
