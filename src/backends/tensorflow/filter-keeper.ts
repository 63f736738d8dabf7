/** Decides when a graph is called in a form that keeps its filters (kept-filters.ts, split-form.ts), and makes and removes that form. */
import type { Pointer } from './c-api.ts'
import type { TensorflowContext } from './context.ts'
import type { LoweredGraph } from './lower-graph.ts'
import type { TfTensor } from './memory.ts'
import type { FunctionDef } from './proto/tensorflow_pb.ts'
import { argumentNames, withKeptFilters } from './kept-filters.ts'
import { type Split, SplitForm } from './split-form.ts'

/** The form is made after so many runs with the same variables, because its first call takes as long as many reorderings. */
const runsFirst = 2

/** Another form of the function. */
interface Form {
  /** Takes and returns handles as the function does. @throws TensorflowFailure */
  call(handles: readonly Pointer[]): Promise<readonly Pointer[]>
  dispose(): void
}

export class FilterKeeper {
  readonly #context: TensorflowContext
  readonly #lowered: LoweredGraph
  /** Null if the graph cannot be split. */
  readonly #split: Split | null
  #variables: readonly TfTensor[] = []
  /** Runs with these variables. */
  #runs = 0
  /** The number of runs before the form is made. It doubles when variables change after that, so that training with evaluations rarely makes forms. */
  #needed = runsFirst
  /** Null if it does not exist. */
  #form: Form | null = null
  /** Computes the parts of a batch before that form exists, so that all runs compute in equal parts. */
  #parts: SplitForm | null = null
  #count = 0

  constructor(context: TensorflowContext, lowered: LoweredGraph, split: Split | null) {
    this.#context = context
    this.#lowered = lowered
    this.#split = split
  }

  /** The form to call with these variables; null: the plain function. Tensors are immutable, so the same tensors have the same numbers. @throws TensorflowFailure */
  formFor(variables: readonly TfTensor[]): Form | null {
    if (variables.length !== this.#variables.length || variables.some((tensor, i) => tensor !== this.#variables[i])) {
      if (this.#form !== null) this.#needed *= 2
      this.#form?.dispose()
      this.#form = null
      this.#parts?.forgetVariables()
      this.#variables = variables
      this.#runs = 0
    }
    if (this.#form === null && this.#runs++ === this.#needed) {
      this.#form = this.#make(`${this.#lowered.name}_kept${this.#count++}`)
      this.#parts?.forgetVariables()
    }
    if (this.#form !== null || this.#split === null) return this.#form
    this.#parts ??= new SplitForm(this.#split, `${this.#lowered.name}_parts`, false, this.#context)
    return this.#parts
  }

  dispose(): void {
    this.#form?.dispose()
    this.#form = null
    this.#parts?.dispose()
    this.#parts = null
  }

  #make(name: string): Form | null {
    if (this.#split !== null) return new SplitForm(this.#split, name, true, this.#context)
    const plain = this.#lowered.functions.at(-1) as FunctionDef // the function to call
    const definition = withKeptFilters(plain, name, argumentNames(this.#lowered, 'variable'))
    if (definition === null) return null
    this.#context.addFunction(definition)
    const resultCount = definition.signature?.outputArg.length ?? 0
    return {
      call: (handles) => this.#context.call(name, handles, resultCount, this.#lowered.isBrief),
      dispose: () => this.#context.removeFunction(name),
    }
  }
}
