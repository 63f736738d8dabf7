/**
 * Turns the nodes of a graph into a flat list of steps over numbered buffers. Everything that is known before a run is decided here: shapes, kernels
 * and slots. What a step does in a run is in step-runs.ts.
 */
import { EffuseError } from '../../ir/diagnostics.ts'
import { elements, isHalf, showType, type DType, type Graph, type Node, type Type } from '../../ir/types.ts'
import { hostArrayOf, type HostArray, type RunContext } from '../backend.ts'
import { copyStrided } from '../common/strided-copy.ts'
import { stridesOf } from '../../ir/ops/shape.ts'
import { tfjsDtype, type Device, type HostMemory } from './device.ts'
import { roundHalf } from './half.ts'
import type { ConstantSlot, HostLoop, NamedSlot, Operand, ReviseLoop, Step } from './plan-types.ts'
import { choiceRun, hostRun, type KernelCall, kernelRun, reviseRun, shaderRun } from './step-runs.ts'
import type { DataId } from './tfjs-types.ts'
import { denseView, type Slot, type View } from './view.ts'
import { movedShader } from './webgpu/index-math.ts'
import { isWebgpu, type Shader } from './webgpu/shader.ts'

export interface PlannerOptions {
  readonly device: Device
  /** Whether half types are rounded after each node. If not, they have been rejected before. */
  readonly emulateHalf: boolean
  readonly lowerNode: (node: Node, inputs: readonly View[], planner: Planner) => readonly View[]
}

export class Planner {
  readonly device: Device
  readonly steps: Step[] = []
  readonly inputs: NamedSlot[] = []
  readonly variables: NamedSlot[] = []
  readonly constants: ConstantSlot[] = []
  /** Buffers that this plan makes and frees: inputs and intermediates. */
  readonly ownSlots = new Set<Slot>()
  readonly slotBytes: number[] = []
  readonly #literals = new Map<string, Slot>()
  readonly #made = new Map<string, Slot>()
  #node: Node | null = null
  #path = ''
  readonly #options: PlannerOptions
  /** The graph, for the constants that are stored beside it. */
  readonly graph: Graph

  constructor(graph: Graph, options: PlannerOptions) {
    this.graph = graph
    this.device = options.device
    this.#options = options
  }

  get slotCount(): number {
    return this.slotBytes.length
  }

  /** Adds the steps of a node; `path` is for messages and profiles. @throws EffuseError EF405 if the device cannot run it */
  lower(node: Node, inputs: readonly View[], path = node.path): readonly View[] {
    this.#node = node
    this.#path = path
    const firstNew = this.slotCount
    const views = this.#options.lowerNode(node, inputs, this)
    if (!this.#options.emulateHalf) return views
    // Views of older buffers (reshapes, the chosen branch of a select) are already rounded. Rounding does not change moved elements.
    for (const view of views)
      if (view.slot >= firstNew && isHalf(view.type.dtype) && this.ownSlots.has(view.slot) && node.op !== 'input')
        this.revise('round', { slot: view.slot, shape: view.shape, dtype: view.type.dtype }, [], (data) =>
          this.rounded(view.type.dtype, data),
        )
    return views
  }

  /** An input of each run. */
  inputSlot(name: string, type: Type): View {
    const slot = this.#newSlot(type)
    this.ownSlots.add(slot)
    this.inputs.push({ name, slot, type })
    return denseView(slot, type)
  }

  variableSlot(name: string, type: Type): View {
    const slot = this.#newSlot(type)
    this.variables.push({ name, slot, type })
    return denseView(slot, type)
  }

  /** Data that stays on the device. */
  constant(type: Type, data: HostArray): View {
    const slot = this.#newSlot(type)
    this.constants.push({ slot, type, dataId: this.device.upload(data, type.shape, type.dtype) })
    return denseView(slot, type)
  }

  /** One number for all elements, in one element of memory. */
  splat(type: Type, value: number): View {
    const [rounded] = this.rounded(type.dtype, hostArrayOf(type.dtype, [value]))
    const key = `${tfjsDtype(type.dtype)} ${Object.is(rounded, -0) ? '-0' : rounded}`
    let slot = this.#literals.get(key)
    if (slot === undefined) {
      slot = this.constant({ dtype: type.dtype, shape: [] }, hostArrayOf(type.dtype, [rounded ?? 0])).slot
      this.#literals.set(key, slot)
    }
    return { slot, shape: type.shape.map(() => 1), type, splat: rounded ?? 0 }
  }

  /** Rounds the data in place to the dtype if the array is wider. */
  rounded(dtype: DType, data: HostArray): HostArray {
    if (isHalf(dtype)) roundHalf(dtype, data)
    return data
  }

  /** The value with all its elements in memory, as an operand. */
  dense(view: View): Operand {
    const { slot, type } = this.expanded(view, view.type.shape)
    return { slot, shape: type.shape, dtype: type.dtype }
  }

  /** The value with the elements of `shape` in memory; made once for all users. */
  expanded(view: View, shape: readonly number[]): View {
    if (view.shape.every((size, axis) => size === shape[axis])) return view
    const slot = this.once(`${view.slot}:${view.shape.join()}>${shape.join()}`, () =>
      this.device.movesElements ? this.#copied(view, shape) : this.#tiled(view, shape),
    )
    return { slot, shape, type: view.type, splat: null }
  }

  /** Calls `make` once for each key. */
  once(key: string, make: () => Slot): Slot {
    const slot = this.#made.get(key) ?? make()
    this.#made.set(key, slot)
    return slot
  }

  /** Moves elements in JavaScript or WGSL: reads `source` along strides (0 repeats) in the order of `type.shape`. */
  moved(source: Operand, type: Type, at: number, strides: readonly number[], kernel = 'copy'): Slot {
    if (this.device.kind === 'webgpu') return this.shader(kernel, [source], type, movedShader(type.shape, at, strides))
    const to = { at: 0, strides: stridesOf(type.shape) }
    return this.host1(kernel, [source], type, ([x], [y]) =>
      copyStrided(x as HostArray, { at, strides }, y as HostArray, to, type.shape),
    )
  }

  /**
   * Calls a tfjs kernel with one result. The type is only for accounting, because kernels compute their own. `productProgram` selects tfjs's WebGPU
   * program for products.
   */
  kernel(name: string, inputs: KernelCall['inputs'], attrs: object, type: Type, productProgram?: number): Slot {
    const func = this.device.kernel(name)
    if (func === null) throw this.unsupported(`tfjs's "${this.device.name}" has no kernel ${name}`)
    const result = this.#ownSlot(type)
    const call = { name, func, inputs, attrs, productProgram }
    this.#push(name, slotsOf(Object.values(inputs)), [result], kernelRun(this.device, call, result))
    return result
  }

  /** Runs effuse's own WGSL program on WebGPU with one result. */
  shader(name: string, operands: readonly Operand[], type: Type, shader: Shader): Slot {
    const { backend } = this.device
    if (!isWebgpu(backend)) throw this.unsupported(`tfjs's "${this.device.name}" runs no WGSL`)
    const result = this.#ownSlot(type)
    this.#push(name, slotsOf(operands), [result], shaderRun(backend, shader, operands, type, result))
    return result
  }

  /** Numbers that the host computes in each run. */
  fed(name: string, type: Type, make: (cx: RunContext) => HostArray): Slot {
    const { device } = this
    const result = this.#ownSlot(type)
    this.#push(name, [], [result], (buffers, cx) => {
      buffers[result] = device.place(make(cx), type.shape, type.dtype)
    })
    return result
  }

  /** Runs a loop in JavaScript over the operands' memory. */
  host(kernel: string, inputs: readonly Operand[], types: readonly Type[], loop: HostLoop): readonly Slot[] {
    const memory = this.hostMemory()
    const results = types.map((type): Operand => ({ ...type, slot: this.#ownSlot(type) }))
    this.#push(kernel, slotsOf(inputs), slotsOf(results), hostRun(memory, inputs, results, loop))
    return slotsOf(results)
  }

  host1(kernel: string, inputs: readonly Operand[], type: Type, loop: HostLoop): Slot {
    return this.host(kernel, inputs, [type], loop)[0] as Slot // one type, one slot
  }

  /** One of two buffers, by a flag that is computed in the run. */
  choice(flag: Slot, yes: Slot, no: Slot, type: Type): Slot {
    const result = this.#ownSlot(type)
    const run = choiceRun(this.device, { flag, yes, no }, result)
    this.#push('choice', [flag, yes, no], [result], run, [yes, no])
    return result
  }

  /** Sets the shape that tfjs-wasm records for a buffer to the operand's, for kernels that read it. */
  noteShape(operand: Operand): void {
    const isUploaded = [...this.variables, ...this.constants].some(
      ({ slot, type }) => slot === operand.slot && type.shape.length === operand.shape.length,
    )
    const { device } = this
    if (isUploaded || device.kind !== 'wasm') return
    this.#push('shape', [operand.slot], [], (buffers) =>
      device.noteShape(buffers[operand.slot] as DataId, operand.shape),
    )
  }

  /**
   * Runs a loop that overwrites a buffer which a step has just filled. Allowed only before another kernel reads the buffer, because XNNPACK would
   * keep a packed copy of the old content.
   */
  revise(kernel: string, fresh: Operand, inputs: readonly Operand[], loop: ReviseLoop): void {
    const memory = this.hostMemory()
    this.#push(kernel, slotsOf([fresh, ...inputs]), [], reviseRun(memory, fresh, inputs, loop))
  }

  hostMemory(): HostMemory {
    const { host, name } = this.device
    if (host === null)
      throw this.unsupported(`tfjs's "${name}" has no kernel for it, and its memory cannot be reached from JavaScript`)
    return host
  }

  unsupported(reason: string, hint?: string): EffuseError {
    const node = this.#node
    const what = node === null ? 'a node' : `${node.op} ${node.types.map(showType).join(', ')}`
    return new EffuseError({
      code: 'EF405',
      path: this.#path,
      message: `${this.#path === '' ? '' : `${this.#path}: `}the backend tfjs-${this.device.name} cannot run ${what}: ${reason}`,
      hint: hint ?? "use another backend, 'reference' runs every op",
    })
  }

  #push(
    kernel: string,
    reads: readonly Slot[],
    writes: readonly Slot[],
    run: Step['run'],
    passesOn: readonly Slot[] = [],
  ): void {
    this.steps.push({
      kernel,
      op: this.#node?.op ?? 'input',
      path: this.#path,
      reads,
      writes,
      passesOn,
      run,
    })
  }

  #newSlot(type: Type): Slot {
    const width = type.dtype === 'bool' && this.device.kind !== 'webgpu' ? 1 : 4 // WGSL has no bytes
    this.slotBytes.push(elements(type.shape) * width)
    return this.slotBytes.length - 1
  }

  #ownSlot(type: Type): Slot {
    const slot = this.#newSlot(type)
    this.ownSlots.add(slot)
    return slot
  }

  #copied(view: View, shape: readonly number[]): Slot {
    const dense = stridesOf(view.shape)
    const strides = shape.map((size, axis) => (view.shape[axis] === size ? (dense[axis] ?? 0) : 0))
    return this.moved(
      { slot: view.slot, shape: view.shape, dtype: view.type.dtype },
      { dtype: view.type.dtype, shape },
      0,
      strides,
      'repeat',
    )
  }

  #tiled(view: View, shape: readonly number[]): Slot {
    const reps = shape.map((size, axis) => (view.shape[axis] === size ? 1 : size))
    return this.kernel(
      'Tile',
      { x: { slot: view.slot, shape: view.shape, dtype: view.type.dtype } },
      { reps },
      { dtype: view.type.dtype, shape },
    )
  }
}

const slotsOf = (operands: readonly Operand[]): readonly Slot[] => operands.map(({ slot }) => slot)
