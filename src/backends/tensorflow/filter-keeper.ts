/** Decides when a graph is called in the form that keeps its filters (kept-filters.ts), and makes and removes that form. */
import type { TensorflowContext } from './context.ts'
import type { LoweredGraph } from './lower-graph.ts'
import type { TfTensor } from './memory.ts'
import type { FunctionDef } from './proto/tensorflow_pb.ts'
import { withKeptFilters } from './kept-filters.ts'

/** The form is made after so many runs with the same variables, because its first call takes as long as many reorderings. */
const runsFirst = 2

export class FilterKeeper {
  readonly #context: TensorflowContext
  readonly #plain: FunctionDef
  /** The names of the arguments that are variables. */
  readonly #arguments: ReadonlySet<string>
  #variables: readonly TfTensor[] = []
  /** Runs with these variables. */
  #runs = 0
  /** The number of runs before the form is made. It doubles when variables change after that, so that training with evaluations rarely makes forms. */
  #needed = runsFirst
  /** The name of the form; null if it does not exist. */
  #kept: string | null = null
  #count = 0

  constructor(context: TensorflowContext, { functions, operands }: LoweredGraph) {
    this.#context = context
    this.#plain = functions.at(-1) as FunctionDef // the function to call
    const names = this.#plain.signature?.inputArg.map(({ name }) => name) ?? []
    this.#arguments = new Set(names.filter((_, at) => operands[at]?.kind === 'variable'))
  }

  /** The name of the function to call with these variables. Tensors are immutable, so the same tensors have the same numbers. @throws TensorflowFailure */
  functionFor(variables: readonly TfTensor[]): string {
    const plain = this.#plain.signature?.name as string // a function has one
    if (variables.length !== this.#variables.length || variables.some((tensor, i) => tensor !== this.#variables[i])) {
      if (this.#kept !== null) this.#needed *= 2
      this.dispose()
      this.#variables = variables
      this.#runs = 0
    }
    if (this.#kept === null && this.#runs++ === this.#needed) this.#make(`${plain}_kept${this.#count++}`)
    return this.#kept ?? plain
  }

  dispose(): void {
    if (this.#kept !== null) this.#context.removeFunction(this.#kept)
    this.#kept = null
  }

  #make(name: string): void {
    const definition = withKeptFilters(this.#plain, name, this.#arguments)
    if (definition === null) return
    this.#context.addFunction(definition)
    this.#kept = name
  }
}
