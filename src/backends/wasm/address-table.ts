/**
 * The table of addresses of one run: the address of each value of a step. Filling the table writes the feeds, and allocates blocks for values that
 * outlive the run.
 */
import { EffuseError } from '../../ir/diagnostics.ts'
import { showType, type Type } from '../../ir/types.ts'
import type { FeedTensor } from '../backend.ts'
import type { StepOperands } from '../common/run-steps.ts'
import type { Arena } from './arena.ts'
import type { BoundStep } from './bound-step.ts'
import type { StepValue } from './compile-step.ts'
import { hold, uploadBytes } from './memory.ts'
import type { WasmDevice } from './runtime/device.ts'
import type { Block } from './runtime/space.ts'

export interface TableSources {
  readonly parts: {
    readonly device: WasmDevice
    readonly arena: Arena
    readonly memoryHint: (ownBytes: number) => string | undefined
  }
  readonly feeds: ReadonlyMap<string, FeedTensor<Block>>
  readonly crossing: ReadonlyMap<string, Type>
  readonly operands: StepOperands<Block>
}

export class AddressTable {
  readonly addresses: Int32Array<ArrayBuffer>
  /** The blocks of kept values, by base. The table holds each block once. */
  readonly kept = new Map<number, Block>()
  /** The packed forms that this run computes, by value. */
  readonly #packing = new Map<number, { readonly of: Block; readonly form: string; readonly block: Block }>()
  /** The arena, and the blocks that this run has allocated. */
  #ownBytes = 0
  readonly #step: BoundStep
  readonly #run: TableSources

  constructor(step: BoundStep, run: TableSources) {
    this.#step = step
    this.#run = run
    this.addresses = new Int32Array(step.values.length)
  }

  /** @throws EffuseError EF401, EF409 */
  fill(): void {
    const { plan, values } = this.#step
    const { arena, memoryHint } = this.#run.parts
    const { address: start, bytes } = arena.ensure(() => memoryHint(0))
    this.#ownBytes = bytes
    values.forEach(({ source, type }, value) => {
      if (source.kind !== 'view' && plan.used.has(value))
        this.addresses[value] = this.#addressOf(value, type, source, start + (plan.offsets[value] ?? 0))
    })
  }

  /** Call after a run. A packed form is freed with the block that it was made from. */
  keepForms(): void {
    for (const { of, form, block } of this.#packing.values()) {
      of.forms ??= new Map()
      of.forms.set(form, block)
    }
    this.#packing.clear()
  }

  /** Releases the blocks that the table holds. */
  release(): void {
    const { space } = this.#run.parts.device
    for (const block of this.kept.values()) space.release(block)
    for (const { block } of this.#packing.values()) space.release(block)
  }

  /** @param inArena The address of the value in the arena, if it has a place there. */
  #addressOf(value: number, type: Type, source: StepValue['source'], inArena: number): number {
    const { crossing, feeds, operands } = this.#run
    const isKept = this.#step.plan.kept.has(value)
    switch (source.kind) {
      case 'constant':
        return this.#shared(value, this.#step.constants.get(value) as Block) // bindStep has made the block of each constant
      case 'variable':
        return this.#shared(value, operands.variable(source.name))
      case 'made':
        return isKept ? this.#made(value, type) : inArena
      case 'packed': {
        const of = this.#variableBlock(source.of)
        const known = of.forms?.get(source.form)
        if (known !== undefined) return known.address
        const block = this.#allocate(value, `a packed form of a variable, ${showType(type)}`)
        this.#packing.set(value, { of, form: source.form, block })
        return block.address
      }
      case 'packing':
        return this.#packing.get(source.packed)?.block.address ?? 0 // the packed form has a smaller value number
      case 'view':
        return 0
      case 'input': {
        const { name } = source
        if (crossing.has(name)) return this.#shared(value, operands.crossing(name))
        const feed = feeds.get(name)
        if (feed === undefined)
          throw new EffuseError({ code: 'EF401', message: `the input "${name}" is missing; it is ${showType(type)}` })
        if ('tensor' in feed) return this.#shared(value, feed.tensor.native)
        const address = isKept ? this.#made(value, type) : inArena
        uploadBytes(this.#run.parts.device, address, feed.host, type)
        return address
      }
    }
  }

  #variableBlock(value: number): Block {
    const { source } = this.#step.values[value] as StepValue // only variables have packed forms
    return this.#run.operands.variable(source.kind === 'variable' ? source.name : '')
  }

  #shared(value: number, block: Block): number {
    if (this.#step.plan.kept.has(value)) this.kept.set(value, hold(block))
    return block.address
  }

  #made(value: number, type: Type): number {
    const block = this.#allocate(value, `a result ${showType(type)}`)
    this.kept.set(value, block)
    return block.address
  }

  #allocate(value: number, what: string): Block {
    const { device, memoryHint } = this.#run.parts
    const bytes = this.#step.bytes[value] as number
    const block = device.space.allocate(
      bytes,
      () => what,
      () => memoryHint(this.#ownBytes),
    )
    this.#ownBytes += bytes
    return block
  }
}
