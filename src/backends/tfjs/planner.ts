/**
 * Turns the nodes of a graph into a flat list of steps over numbered buffers. Everything that is known before a run is decided here: shapes, kernels
 * and slots. What a step does in a run is in step-runs.ts.
 */
import { EffuseError } from '../../ir/diagnostics.ts'
import { elements, showType, type DType, type Graph, type Node, type Type } from '../../ir/types.ts'
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
  /** Half types are rounded after each node; without it they are refused before. */
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
  /** Where constants kept beside the graph are. */
  readonly graph: Graph

  constructor(graph: Graph, options: PlannerOptions) {
    this.graph = graph
    this.device = options.device
    this.#options = options
  }

  get slotCount(): number {
    return this.slotBytes.length
  }

  /** Adds the steps of a node; `path` is for messages and profiles. @throws EffuseError EF405 where the device cannot run it. */
  lower(node: Node, inputs: readonly View[], path = node.path): readonly View[] {
    this.#node = node
    this.#path = path
    const firstNew = this.slotCount
    const views = this.#options.lowerNode(node, inputs, this)
    if (!this.#options.emulateHalf) return views
    // Views of older buffers (reshapes, the chosen branch of a select) are rounded already; moved elements round to themselves.
    for (const view of views)
      if (view.slot >= firstNew && isHalf(view.type.dtype) && this.ownSlots.has(view.slot) && node.op !== 'input')
        this.revise('round', { slot: view.slot, shape: view.shape, dtype: view.type.dtype }, [], (data) =>
          this.rounded(view.type.dtype, data),
        )
    return views
  }

  /** A tensor that each run is given. */
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

  /** The data rounded to the dtype where that is narrower than its array. */
  rounded(dtype: DType, data: HostArray): HostArray {
    if (isHalf(dtype)) roundHalf(dtype, data)
    return data
  }

  /** The value with each element in memory, as an operand of its own shape. */
  dense(view: View): Operand {
    const { slot, type } = this.expanded(view, view.type.shape)
    return { slot, shape: type.shape, dtype: type.dtype }
  }

  /** The same value with at least `shape` in memory; made once for all users. */
  expanded(view: View, shape: readonly number[]): View {
    if (view.shape.every((size, axis) => size === shape[axis])) return view
    const slot = this.once(`${view.slot}:${view.shape.join()}>${shape.join()}`, () =>
      this.device.movesElements ? this.#copied(view, shape) : this.#tiled(view, shape),
    )
    return { slot, shape, type: view.type, splat: null }
  }

  /** What `make` adds to the plan, made once for all who ask for it by this key. */
  once(key: string, make: () => Slot): Slot {
    const slot = this.#made.get(key) ?? make()
    this.#made.set(key, slot)
    return slot
  }

  /** Movement in JavaScript or WGSL: the elements of `source` read along strides (0 repeats) in the order of `type.shape`. */
  moved(source: Operand, type: Type, at: number, strides: readonly number[], kernel = 'copy'): Slot {
    if (this.device.kind === 'webgpu') return this.shader(kernel, [source], type, movedShader(type.shape, at, strides))
    const to = { at: 0, strides: stridesOf(type.shape) }
    return this.host1(kernel, [source], type, ([x], [y]) =>
      copyStrided(x as HostArray, { at, strides }, y as HostArray, to, type.shape),
    )
  }

  /**
   * A call of a tfjs kernel with one result; the type is only for accounting: kernels know their own. `productProgram`: which of its programs for
   * products tfjs's WebGPU is to run.
   */
  kernel(name: string, inputs: KernelCall['inputs'], attrs: object, type: Type, productProgram?: number): Slot {
    const func = this.device.kernel(name)
    if (func === null) throw this.unsupported(`tfjs's "${this.device.name}" has no kernel ${name}`)
    const result = this.#ownSlot(type)
    const call = { name, func, inputs, attrs, productProgram }
    this.#push(name, slotsOf(Object.values(inputs)), [result], kernelRun(this.device, call, result))
    return result
  }

  /** A program of ours on WebGPU with one result. */
  shader(name: string, operands: readonly Operand[], type: Type, shader: Shader): Slot {
    const { backend } = this.device
    if (!isWebgpu(backend)) throw this.unsupported(`tfjs's "${this.device.name}" runs no WGSL`)
    const result = this.#ownSlot(type)
    this.#push(name, slotsOf(operands), [result], shaderRun(backend, shader, operands, type, result))
    return result
  }

  /** Numbers that the host makes in each run. */
  fed(name: string, type: Type, make: (cx: RunContext) => HostArray): Slot {
    const { device } = this
    const result = this.#ownSlot(type)
    this.#push(name, [], [result], (buffers, cx) => {
      buffers[result] = device.place(make(cx), type.shape, type.dtype)
    })
    return result
  }

  /** A loop in JavaScript over the operands' memory. */
  host(kernel: string, inputs: readonly Operand[], types: readonly Type[], loop: HostLoop): readonly Slot[] {
    const memory = this.hostMemory()
    const results = types.map((type): Operand => ({ ...type, slot: this.#ownSlot(type) }))
    this.#push(kernel, slotsOf(inputs), slotsOf(results), hostRun(memory, inputs, results, loop))
    return slotsOf(results)
  }

  host1(kernel: string, inputs: readonly Operand[], type: Type, loop: HostLoop): Slot {
    return this.host(kernel, inputs, [type], loop)[0] as Slot // one type, one slot
  }

  /** One of two buffers, by a flag known only in the run. */
  choice(flag: Slot, yes: Slot, no: Slot, type: Type): Slot {
    const result = this.#ownSlot(type)
    const run = choiceRun(this.device, { flag, yes, no }, result)
    this.#push('choice', [flag, yes, no], [result], run, [yes, no])
    return result
  }

  /** Makes tfjs-wasm's note of a buffer's shape agree with the operand's, where kernels look at it. */
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
   * Lets a loop write into a buffer again that a step has just filled. Right only while nothing has seen the buffer: what XNNPACK packed of it
   * would stay as it was.
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

export const isHalf = (dtype: DType): dtype is 'float16' | 'bfloat16' => dtype === 'float16' || dtype === 'bfloat16'
