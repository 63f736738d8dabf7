/**
 * A form of a function that computes parts at the same time (split-graph.ts). It runs in the context of one-thread-context.ts, by kernels with one thread
 * each. Work that is divided among threads inside each kernel has to be handed over and waited for, for each convolution again.
 */
import type { Pointer } from './c-api.ts'
import type { TensorflowContext } from './context.ts'
import { sharedHandle, sharedHandles } from './one-thread-context.ts'
import type { Split } from './split-graph.ts'

export class SplitForm {
  readonly #context: TensorflowContext
  readonly #split: Split
  /** The functions in the split's context. The last one is called. */
  readonly #names: string[] = []
  /** Handles of operands that are the same in each call, by their position. */
  readonly #kept = new Map<number, Pointer>()

  /**
   * @param name No other function of the context may have it.
   *
   * @param keepsFilters Convolutions keep the filters of the first call.
   *
   * @param context That of the operands and results.
   *
   * @throws TensorflowFailure
   */
  constructor(split: Split, name: string, keepsFilters: boolean, context: TensorflowContext) {
    this.#context = context
    this.#split = split
    try {
      for (const definition of split.functions(name, keepsFilters)) {
        split.context.addFunction(definition)
        this.#names.push(definition.signature?.name as string) // a function has one
      }
    } catch (error) {
      this.dispose()
      throw error
    }
  }

  /** The results are those of a call of the plain function. @throws TensorflowFailure */
  async call(handles: readonly Pointer[]): Promise<readonly Pointer[]> {
    const { context, whole, order, oneThread } = this.#split
    oneThread.bindThreads()
    const own: Pointer[] = []
    try {
      const operands = order.map((at) => {
        const known = this.#kept.get(at)
        if (known !== undefined) return known
        const shared = sharedHandle(handles[at] as Pointer, this.#context, context) // one for each operand
        const kind = whole.operands[at]?.kind
        if (kind === 'variable' || kind === 'constant') this.#kept.set(at, shared)
        else own.push(shared)
        return shared
      })
      const results = await context.call(this.#names.at(-1) as string, operands, whole.outputs.length)
      own.push(...results)
      return sharedHandles(results, context, this.#context)
    } finally {
      for (const handle of own) context.free(handle)
    }
  }

  /** Call before the first call with other variables. The form must not keep filters. */
  forgetVariables(): void {
    for (const handle of this.#kept.values()) this.#split.context.free(handle)
    this.#kept.clear()
  }

  dispose(): void {
    for (const name of this.#names.reverse()) this.#split.context.removeFunction(name)
    this.forgetVariables()
  }
}
