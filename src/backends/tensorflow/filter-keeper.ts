/** Decides in which form a graph is called: in parts (split-form.ts), and with kept filters (kept-filters.ts). Makes and removes these forms. */
import type { Pointer } from './c-api.ts'
import type { TensorflowContext } from './context.ts'
import { TensorflowFailure } from './errors.ts'
import type { LoweredGraph } from './lower-graph.ts'
import type { TfTensor } from './memory.ts'
import { keptForm } from './kept-filters.ts'
import { SplitForm } from './split-form.ts'
import type { Split } from './split-graph.ts'

/** The form that keeps filters is made after so many runs with the same variables, because its first call takes as long as many reorderings. */
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
  /** Null if the graph cannot be split, or if TensorFlow has refused its parts. */
  #split: Split | null
  #variables: readonly TfTensor[] = []
  /** Runs with these variables. */
  #runs = 0
  /** The number of runs before the form is made. It doubles when variables change after that, so that training with evaluations rarely makes forms. */
  #needed = runsFirst
  /** Keeps filters. Null if it does not exist. */
  #form: Form | null = null
  /** Computes the parts before that form exists, so that all runs compute in equal parts. */
  #parts: SplitForm | null = null
  #count = 0

  constructor(context: TensorflowContext, lowered: LoweredGraph, split: Split | null) {
    this.#context = context
    this.#lowered = lowered
    this.#split = split
  }

  /** Calls the function in one of its forms. Tensors are immutable, so the same variables have the same numbers. @throws TensorflowFailure */
  async call(variables: readonly TfTensor[], handles: readonly Pointer[]): Promise<readonly Pointer[]> {
    let form: Form | null = null
    try {
      form = this.#formFor(variables)
      if (form !== null) return await form.call(handles)
    } catch (error) {
      if (!(error instanceof TensorflowFailure)) throw error
      // If the plain function fails, too, the form is not at fault.
      const results = await this.#callPlain(handles)
      this.#refuse(form)
      return results
    }
    return this.#callPlain(handles)
  }

  dispose(): void {
    this.#form?.dispose()
    this.#form = null
    this.#parts?.dispose()
    this.#parts = null
  }

  #callPlain(handles: readonly Pointer[]): Promise<readonly Pointer[]> {
    const { name, outputs, updates, isBrief } = this.#lowered
    return this.#context.call(name, handles, outputs.length + updates.length, isBrief)
  }

  /** Null: the plain function. @throws TensorflowFailure */
  #formFor(variables: readonly TfTensor[]): Form | null {
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

  #make(name: string): Form | null {
    if (this.#split !== null) return new SplitForm(this.#split, name, true, this.#context)
    const definition = keptForm(this.#lowered, name)
    if (definition === null) return null
    this.#context.addFunction(definition)
    const resultCount = definition.signature?.outputArg.length ?? 0
    return {
      call: (handles) => this.#context.call(name, handles, resultCount, this.#lowered.isBrief),
      dispose: () => this.#context.removeFunction(name),
    }
  }

  /** Stops the use of a form that TensorFlow cannot run. @param form Null if it could not be made */
  #refuse(form: Form | null): void {
    const keepsFilters = form === null ? this.#runs > this.#needed : form === this.#form
    if (keepsFilters) {
      this.#needed = Number.POSITIVE_INFINITY
      this.#form?.dispose()
      this.#form = null
    } else if (form === this.#parts) {
      this.#split = null
      this.#parts?.dispose()
      this.#parts = null
    }
  }
}
