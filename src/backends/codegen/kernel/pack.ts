/**
 * Packs the right operands of contractions into panels. Without packing, the operand of a matrix product, a dense layer or a convolution is read with
 * a stride of a whole row of weights. In a panel, the 8 columns that a tile computes are contiguous, one row after another.
 */
import { elements } from '../../../ir/types.ts'
import type { Accumulator, Coordinate, Expr, Kernel, Linear, Phase } from './kernel.ts'
import { axis } from './linear.ts'
import { linearText } from './print.ts'
import { argsOf, axesIn, linearsOf, mapLinears, reachedFrom } from './rewrite.ts'
import { splitAxis } from './split-axis.ts'

/** Columns of a panel: two float32 vectors. */
export const panelWidth = 8

export interface PackedOperand {
  readonly buffer: number
  /** Identifies the layout. Operands of one shape with the same form have the same packed elements. */
  readonly form: string
  readonly shape: readonly number[]
  /** The kernel that reads the operand as buffer 0 and writes the panels to buffer 1. */
  readonly pack: Kernel
}

/**
 * Rewrites the kernel so that it reads its right operands as panels. An operand read as [..., K, F] becomes [F / 8, ..., K, 8], and the axis of F
 * becomes two axes. An operand is packed if `mayPack` allows it, F is a multiple of 8, and all of its reads have the same form. If no operand is
 * packed, the result is the kernel itself.
 */
export const packOperands = (
  kernel: Kernel,
  mayPack: (buffer: number) => boolean,
): { readonly kernel: Kernel; readonly packed: readonly PackedOperand[] } => {
  const packed: PackedOperand[] = []
  const reads = kernel.phases.map(readsOfPhase)
  for (const [buffer, { role }] of kernel.buffers.entries()) {
    if (role !== 'operand' || !mayPack(buffer)) continue
    const panels = panelsOf(kernel, buffer, reads)
    if (panels !== null) packed.push(panels)
  }
  if (packed.length === 0) return { kernel, packed }
  const shapes = new Map(packed.map(({ buffer, shape }) => [buffer, shape]))
  const buffers = kernel.buffers.map((each, at) => ({ ...each, shape: shapes.get(at) ?? each.shape }))
  const phases = kernel.phases.map((phase, at) => packedPhase(phase, reads[at] as PanelReads, shapes))
  return { kernel: { buffers, phases }, packed }
}

/** The loads of a phase that can read panels. Each has the accumulator that it is a factor of. */
type PanelReads = ReadonlyMap<number, Accumulator>

const readsOfPhase = (phase: Phase): PanelReads => {
  const column = phase.parallel - 1
  const found = new Map<number, Accumulator>()
  if (column < 0 || (phase.axes[column] as number) % panelWidth !== 0) return found
  for (const accumulator of phase.accumulators) {
    for (const at of rightOf(phase, accumulator) ?? [])
      if (isPanelRead(phase, at, column, accumulator)) found.set(at, accumulator)
  }
  return found
}

/**
 * The expressions of the right factor of a contraction. Of the two factors it is the one that depends on the column axis. Null if both depend on it,
 * as in a depthwise convolution, or neither.
 */
export const rightOf = (phase: Phase, { monoid, factors }: Accumulator): ReadonlySet<number> | null => {
  const parts = factors.map((factor) => reachedFrom(phase, [factor]))
  const right = parts.filter((part) => axesIn(phase, part).has(phase.parallel - 1))
  return monoid === 'sum' && parts.length === 2 && right.length === 1 ? (right[0] ?? null) : null
}

/** Does the load depend on the column axis and on all reduced axes, and on no other axis? Axes of size 1 are ignored. */
const isPanelRead = (phase: Phase, at: number, column: number, { axes }: Accumulator): boolean => {
  const expr = phase.exprs[at] as Expr // verified
  if (expr.kind !== 'load' || argsOf(expr).length > 0) return false
  const moving = (among: Iterable<number>): readonly number[] =>
    [...new Set(among)].filter((each) => phase.axes[each] !== 1).sort((a, b) => a - b)
  const own = moving(linearsOf(expr).flatMap(({ terms }) => terms.map((term) => term.axis)))
  const wanted = moving([column, ...axes])
  return own.length === wanted.length && own.every((each, i) => each === wanted[i])
}

/** The panels of a buffer; null if its reads have different forms. */
const panelsOf = (kernel: Kernel, buffer: number, reads: readonly PanelReads[]): PackedOperand | null => {
  const found = new Map<string, PackedOperand>()
  for (const [i, phase] of kernel.phases.entries())
    for (const [at, expr] of phase.exprs.entries()) {
      if (expr.kind !== 'load' || expr.buffer !== buffer) continue
      const accumulator = reads[i]?.get(at)
      if (accumulator === undefined) return null
      const panels = panelsRead(kernel, phase, expr, accumulator)
      found.set(panels.form, panels)
    }
  const [first, ...others] = found.values()
  const isWhole = first !== undefined && elements(first.shape) === elements(kernel.buffers[buffer]?.shape ?? [])
  return isWhole && others.length === 0 ? first : null
}

/** The panels that a load reads: [F / 8, reduced axes, 8]. */
const panelsRead = (
  { buffers }: Kernel,
  phase: Phase,
  load: Extract<Expr, { kind: 'load' }>,
  { axes }: Accumulator,
): PackedOperand => {
  const column = phase.parallel - 1
  const reduced = axes.map((each) => phase.axes[each] as number)
  const shape = [(phase.axes[column] as number) / panelWidth, ...reduced, panelWidth]
  const last = shape.length - 1
  const inPanels = (x: Linear): Linear => ({
    ...x,
    terms: x.terms
      .flatMap(({ axis: at, stride }) =>
        at === column
          ? [
              { axis: 0, stride: stride * panelWidth },
              { axis: last, stride },
            ]
          : axes.includes(at)
            ? [{ axis: axes.indexOf(at) + 1, stride }]
            : [],
      )
      .sort((a, b) => a.axis - b.axis),
  })
  const moved = mapLinears(load, inPanels) as typeof load
  const { dtype, shape: given } = buffers[load.buffer] as Kernel['buffers'][number] // verified
  const text = moved.coordinates.map(({ at, size }) => `${at.kind === 'linear' ? linearText(at) : ''} of ${size}`)
  return {
    buffer: load.buffer,
    form: `panels [${shape.join(',')}] of ${text.join(', ')}${load.fill === 0 ? '' : ` else ${load.fill}`}`,
    shape,
    pack: {
      buffers: [
        { dtype, shape: given, role: 'operand', data: null },
        { dtype, shape, role: 'result', data: null },
      ],
      phases: [
        {
          axes: shape,
          parallel: shape.length,
          exprs: [{ ...moved, buffer: 0 }],
          accumulators: [],
          stores: [{ buffer: 1, coordinates: pointOf(shape), value: 0 }],
        },
      ],
    },
  }
}

const pointOf = (shape: readonly number[]): readonly Coordinate[] => shape.map((size, at) => ({ at: axis(at), size }))

const packedPhase = (phase: Phase, reads: PanelReads, shapes: ReadonlyMap<number, readonly number[]>): Phase => {
  const isPacked = (expr: Expr): boolean => expr.kind === 'load' && shapes.has(expr.buffer)
  if (!phase.exprs.some(isPacked)) return phase
  const column = phase.parallel - 1
  const split = splitAxis(phase, column, panelWidth)
  const exprs = split.exprs.map((expr, at): Expr => {
    const accumulator = reads.get(at)
    if (expr.kind !== 'load' || !isPacked(expr) || accumulator === undefined) return expr
    // splitAxis has moved the reduced axes up by one.
    const panelAxes = [column, ...accumulator.axes.map((each) => each + 1), column + 1]
    const shape = shapes.get(expr.buffer) as readonly number[] // the buffer is packed
    return { ...expr, coordinates: panelAxes.map((each, i) => ({ at: axis(each), size: shape[i] as number })), fill: 0 }
  })
  return { ...split, exprs }
}
