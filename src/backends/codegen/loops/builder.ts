/** Builds the statements of a phase. Equal values of one block are computed once. */
import { attrsJson, exactNumber } from '../../../ir/exact-json.ts'
import { keyOfAffine } from './bindings.ts'
import type { LoopExpr, Register, Statement } from './loops.ts'

interface Block {
  /** The loop of which this is the body; null if it is not the body of a loop. */
  readonly loop: number | null
  /** Statements at the start of the body. */
  readonly head: Statement[]
  readonly body: Statement[]
  /** Registers by the value that they hold. */
  readonly known: Map<string, number>
}

export class LoopBuilder {
  readonly registers: Register[] = []
  /** From the outermost block to the block to which statements are added. */
  readonly #blocks: Block[] = [{ loop: null, head: [], body: [], known: new Map() }]

  add(statement: Statement): void {
    this.#block.body.push(statement)
  }

  register(register: Register): number {
    return this.registers.push(register) - 1
  }

  /** The value in a register that does not change. */
  kept(value: LoopExpr, register: Register): LoopExpr {
    if (value.kind === 'constant' || value.kind === 'register') return value
    const block = this.#block
    return this.#set(value, register, block.known, block.body)
  }

  /** An int32 value that depends only on these loops. It is computed in the outermost possible block. */
  hoisted(value: LoopExpr, loops: readonly number[]): LoopExpr {
    if (value.kind === 'constant' || value.kind === 'register') return value
    const block =
      this.#blocks.findLast(({ loop }) => loop !== null && loops.includes(loop)) ?? (this.#blocks[0] as Block)
    return this.#set(value, { dtype: 'int32', lanes: 1 }, block.known, block.head)
  }

  /** A new register that statements may change. */
  variable(value: LoopExpr, register: Register): number {
    const kept = this.register(register)
    this.add({ kind: 'set', register: kept, value })
    return kept
  }

  /** Collects the statements that `add` adds. */
  block(add: () => void, loop: number | null = null): readonly Statement[] {
    const block: Block = { loop, head: [], body: [], known: new Map(this.#block.known) }
    this.#blocks.push(block)
    add()
    this.#blocks.pop()
    return [...block.head, ...block.body]
  }

  /** Adds a block of statements. The block may use values that are known here; its own values are unknown after it. */
  scope(add: () => void): void {
    const { head, body, known } = this.#block
    this.#blocks.push({ loop: null, head, body, known: new Map(known) })
    add()
    this.#blocks.pop()
  }

  loop(loop: number, first: LoopExpr, end: LoopExpr, add: () => void): void {
    this.add({ kind: 'for', loop, first, end, body: this.block(add, loop) })
  }

  /** The statements of the outermost block. */
  finish(): readonly Statement[] {
    const { head, body } = this.#block
    return [...head, ...body]
  }

  get #block(): Block {
    return this.#blocks.at(-1) as Block // the outermost block is never removed
  }

  #set(value: LoopExpr, register: Register, known: Map<string, number>, to: Statement[]): LoopExpr {
    const key = keyOf(value)
    const found = known.get(key)
    if (found !== undefined) return { kind: 'register', register: found }
    const made = this.register(register)
    to.push({ kind: 'set', register: made, value })
    known.set(key, made)
    return { kind: 'register', register: made }
  }
}

/** Equal for equal values. */
const keyOf = (value: LoopExpr): string => {
  switch (value.kind) {
    case 'constant':
      return `${value.dtype} ${exactNumber(value.value)}`
    case 'register':
      return `r${value.register}`
    case 'affine':
      return keyOfAffine(value)
    case 'unit':
      return value.of
    case 'parameter':
      return `p${value.number}`
    case 'load':
      return `load ${value.buffer} ${value.lanes} (${keyOf(value.at)})`
    case 'splat':
      return `splat (${keyOf(value.of)})`
    case 'lanes':
      return `lanes (${value.of.map(keyOf).join(', ')})`
    case 'position':
      return `${value.op} (${value.args.map(keyOf).join(', ')})`
    case 'random':
      return `random ${value.lanes} ${value.stream} (${keyOf(value.at)})`
    case 'op':
      return `${value.op} ${value.dtype} ${value.lanes} ${attrsJson(value.attrs)} (${value.args.map(keyOf).join(', ')})`
  }
}
