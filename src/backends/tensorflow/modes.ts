/**
 * TF32 and determinism, which TensorFlow sets for the whole process. Each call needs the settings of its program, so calls with other settings wait until
 * it has ended.
 */
import type { TensorflowApi } from './c-api.ts'

export interface Mode {
  /** GPUs may round the operands of products to 10 bits. */
  readonly tf32: boolean
  /** Equal runs give equal bits. */
  readonly deterministic: boolean
}

const isSame = (a: Mode, b: Mode): boolean => a.tf32 === b.tf32 && a.deterministic === b.deterministic

type Setters = Pick<TensorflowApi, 'setTf32' | 'setDeterminism'>

export class ModeGate {
  readonly #api: Setters
  #mode: Mode | null = null
  #running = 0
  readonly #waiting: { readonly mode: Mode; readonly enter: () => void }[] = []

  constructor(api: Setters) {
    this.#api = api
  }

  /** Runs `work` under the mode. Calls with different modes run in the order in which they arrive. */
  async run<T>(mode: Mode, work: () => Promise<T>): Promise<T> {
    if (this.#waiting.length === 0 && this.#isFree(mode)) this.#enter(mode)
    else await new Promise<void>((enter) => this.#waiting.push({ mode, enter }))
    try {
      return await work()
    } finally {
      this.#running--
      for (let next = this.#waiting[0]; next !== undefined && this.#isFree(next.mode); next = this.#waiting[0]) {
        this.#waiting.shift()
        this.#enter(next.mode)
        next.enter()
      }
    }
  }

  #isFree(mode: Mode): boolean {
    return this.#running === 0 || (this.#mode !== null && isSame(this.#mode, mode))
  }

  #enter(mode: Mode): void {
    this.#running++
    if (this.#mode !== null && isSame(this.#mode, mode)) return
    this.#mode = mode
    this.#api.setTf32?.(mode.tf32)
    this.#api.setDeterminism?.(mode.deterministic)
  }
}

let gate: ModeGate | null = null

/** The gate of the process. There is one, because a process has one TensorFlow. */
export const modeGate = (api: TensorflowApi): ModeGate => {
  gate ??= new ModeGate(api)
  return gate
}
