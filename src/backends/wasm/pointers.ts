/**
 * Strength reduction: an address that is affine in loop counters becomes a pointer that the loops increment, so that no loop multiplies. A loop has
 * one pointer for all accesses to a buffer that have the same strides in it and in the loops around it. Their constant differences are immediates of
 * the instructions.
 */
import type { Affine, LoopExpr, Statement } from '../codegen/loops/loops.ts'
import { partsOf } from '../codegen/loops/parts.ts'
import type { FunctionBody } from './function-body.ts'

type For = Extract<Statement, { kind: 'for' }>
/** A load or a store: the object in the tree of statements. */
type AccessNode = Extract<LoopExpr, { kind: 'load' }> | Extract<Statement, { kind: 'store' }>

/** The loops and conditions around a block of statements, from the outermost. */
type Path = readonly (For | 'if')[]

/** The accesses of one block to one buffer that differ by constants only. They share their pointers. */
interface Stream {
  readonly buffer: number
  /** The strides of the loops, in elements. */
  readonly terms: Affine['terms']
  /** The stride in bytes of each loop. */
  readonly strides: ReadonlyMap<number, number>
  readonly path: Path
  /** The loops of the path that do not begin at a constant, with the registers of their first counters. */
  readonly begins: readonly Begin[]
  /** From this place of the path on, every iteration performs the accesses, and no loop moves their pointer. */
  readonly settledFrom: number
  /** The smallest offset of its accesses. */
  least: number
  state: State
}

interface Access {
  readonly stream: Stream
  /** The offset in bytes from the start of the buffer when all counters are 0. */
  readonly offset: number
}

/** A block of statements while accesses are collected. */
interface Place {
  readonly path: Path
  readonly streams: Stream[]
}

const placeIn = (path: Path): Place => ({ path, streams: [] })

interface Pointer {
  readonly local: number
  /** The distance in bytes between the pointer and the access with offset 0. */
  readonly ahead: number
  /** The loop that created the pointer; null: it is a parameter. */
  readonly loop: For | null
}

interface State {
  readonly pointer: Pointer
  /** The loops whose first counter, a register, is already added to the pointer before they start. */
  readonly begun: ReadonlySet<number>
}

/** A local, and the increment in each iteration. */
export interface Move {
  readonly local: number
  readonly bytes: number
}

export interface Machine {
  readonly f: FunctionBody
  /** The size of an element in bytes. */
  widthOf(buffer: number): number
  /** The local with the address of the buffer. */
  baseOf(buffer: number): number
  /** The local of a register. */
  localOf(register: number): number
}

const numberIn = (expr: LoopExpr): number | null => (expr.kind === 'constant' ? expr.value : null)
const registerIn = (expr: LoopExpr): number | null => (expr.kind === 'register' ? expr.register : null)

/** The trip count; null if it is not a constant. */
export const tripsOf = ({ first, end }: For): number | null => {
  const [from, to] = [numberIn(first), numberIn(end)]
  return from === null || to === null ? null : Math.max(0, to - from)
}

export class Pointers {
  readonly #machine: Machine
  readonly #within = new Map<For, Stream[]>()
  readonly #accesses = new Map<AccessNode, Access>()
  readonly #available = new Set<number>()
  readonly #counted = new Set<number>()

  constructor(body: readonly Statement[], machine: Machine) {
    this.#machine = machine
    this.#collect(body, placeIn([]))
  }

  /** The loops whose counters are needed as numbers, not only in addresses. */
  get counted(): ReadonlySet<number> {
    return this.#counted
  }

  /** The register is set from here on. */
  reached(register: number): void {
    this.#available.add(register)
  }

  /** Sets up the pointers of a loop. `body` receives their increments. Afterwards, the pointers are those of the enclosing loop. */
  within(loop: For, body: (moves: readonly Move[]) => void): void {
    const groups: { readonly streams: Stream[]; readonly change: Change }[] = []
    const isCounted = tripsOf(loop) !== null
    for (const stream of this.#within.get(loop) ?? []) {
      const change = this.#changeOf(stream, loop, isCounted)
      if (change === null) continue
      const group = groups.find((each) => areAlike(each.change, change))
      if (group === undefined) groups.push({ streams: [stream], change })
      else group.streams.push(stream)
    }
    const moves: Move[] = []
    const before: { readonly stream: Stream; readonly state: State }[] = []
    for (const { streams, change } of groups) {
      const pointer = this.#pointer(loop, streams, change)
      if (change.bytes !== 0) moves.push({ local: pointer.local, bytes: change.bytes })
      const begun = new Set([...change.state.begun, ...change.begins.map((begin) => begin.loop)])
      for (const stream of streams) {
        before.push({ stream, state: stream.state })
        stream.state = { pointer, begun }
      }
    }
    body(moves)
    for (const { stream, state } of before) stream.state = state
  }

  /** Puts an address on the stack, and returns the offset that the instruction must add; null if the address is not affine. */
  address(node: AccessNode): number | null {
    const access = this.#accesses.get(node)
    if (access === undefined) return null
    const { f } = this.#machine
    const { offset, stream } = access
    const { pointer } = stream.state
    f.get(pointer.local)
    const rest = offset - pointer.ahead
    // An offset immediate cannot be negative. The pointer itself must not be negative either, which is not guaranteed under a condition.
    if (rest >= 0 && isSettled(stream, pointer.loop)) return rest
    if (rest !== 0) {
      f.i32(rest)
      f.op('i32.add')
    }
    return 0
  }

  /** The change of a stream's pointer at the start of the loop; null: no change. `isCounted`: the trip count of the loop is a constant. */
  #changeOf({ strides, path, begins, state }: Stream, loop: For, isCounted: boolean): Change | null {
    const bytes = strides.get(loop.loop) ?? 0
    const depth = begins.length === 0 ? 0 : path.indexOf(loop)
    const due = begins.filter(
      (begin) => begin.at >= depth && !state.begun.has(begin.loop) && this.#available.has(begin.register),
    )
    return bytes === 0 && due.length === 0 && isCounted ? null : { state, bytes, begins: due }
  }

  #pointer(loop: For, streams: readonly Stream[], { state, bytes, begins }: Change): Pointer {
    const { f, localOf } = this.#machine
    const { pointer: outer } = state
    const local = f.local('i32')
    const offsets = streams.filter((stream) => isSettled(stream, loop)).map(({ least }) => least)
    const ahead = offsets.length === 0 ? outer.ahead : Math.min(...offsets)
    const constant = ahead - outer.ahead + bytes * (numberIn(loop.first) ?? 0)
    f.get(outer.local)
    if (constant !== 0) {
      f.i32(constant)
      f.op('i32.add')
    }
    for (const { register, bytes: stride } of begins) {
      f.get(localOf(register))
      if (stride !== 1) {
        f.i32(stride)
        f.op('i32.mul')
      }
      f.op('i32.add')
    }
    f.set(local)
    return { local, ahead, loop }
  }

  #collect(statements: readonly Statement[], place: Place): void {
    for (const statement of statements) {
      switch (statement.kind) {
        case 'for':
          this.#collect(statement.body, placeIn([...place.path, statement]))
          break
        case 'if':
          this.#collectIn(statement.condition, place)
          this.#collect(statement.body, placeIn([...place.path, 'if']))
          this.#collect(statement.otherwise, placeIn([...place.path, 'if']))
          break
        case 'set':
          this.#collectIn(statement.value, place)
          break
        case 'store':
          this.#add(statement, place)
          this.#collectIn(statement.value, place)
      }
    }
  }

  #collectIn(expr: LoopExpr, place: Place): void {
    if (expr.kind === 'load') this.#add(expr, place)
    else if (expr.kind === 'affine') for (const { loop } of expr.terms) this.#counted.add(loop)
    else for (const arg of partsOf(expr)) this.#collectIn(arg, place)
  }

  #add(node: AccessNode, place: Place): void {
    const { at, buffer } = node
    if (at.kind !== 'affine' && at.kind !== 'constant') {
      this.#collectIn(at, place)
      return
    }
    const offset = (at.kind === 'constant' ? at.value : at.offset) * this.#machine.widthOf(buffer)
    const terms = at.kind === 'constant' ? [] : at.terms
    const stream =
      place.streams.find((each) => each.buffer === buffer && areEqual(each.terms, terms)) ??
      this.#stream(place, buffer, terms)
    stream.least = Math.min(stream.least, offset)
    this.#accesses.set(node, { stream, offset })
  }

  #stream({ path, streams }: Place, buffer: number, terms: Affine['terms']): Stream {
    const width = this.#machine.widthOf(buffer)
    const strides = new Map(terms.map(({ loop, stride }) => [loop, stride * width]))
    const pointer: Pointer = { local: this.#machine.baseOf(buffer), ahead: 0, loop: null }
    const stream: Stream = {
      ...{ buffer, terms, strides, path },
      ...{ begins: beginsOf(path, strides), settledFrom: settledFrom(path, strides) },
      least: Number.POSITIVE_INFINITY,
      state: { pointer, begun: new Set() },
    }
    streams.push(stream)
    for (const each of path) {
      if (each === 'if') continue
      const others = this.#within.get(each) ?? []
      others.push(stream)
      this.#within.set(each, others)
    }
    return stream
  }
}

const areEqual = (a: Affine['terms'], b: Affine['terms']): boolean =>
  a.length === b.length && a.every(({ loop, stride }, i) => loop === b[i]?.loop && stride === b[i].stride)

interface Change {
  readonly state: State
  /** The increment in each iteration of the loop. */
  readonly bytes: number
  /** The first counters that are added to the pointer. */
  readonly begins: readonly Begin[]
}

/** A loop that begins at the counter in a register, and the bytes by which each count moves the pointer. */
interface Begin {
  /** The place of the loop in the path. */
  readonly at: number
  readonly loop: number
  readonly register: number
  readonly bytes: number
}

/** Can streams with these changes share one pointer? */
const areAlike = (a: Change, b: Change): boolean =>
  a.bytes === b.bytes &&
  a.state.pointer.local === b.state.pointer.local &&
  a.begins.length === b.begins.length &&
  a.begins.every((begin, i) => {
    const other = b.begins[i]
    return begin.loop === other?.loop && begin.register === other.register && begin.bytes === other.bytes
  })

const beginsOf = (path: Path, strides: Stream['strides']): readonly Begin[] => {
  const found: Begin[] = []
  for (const [at, each] of path.entries()) {
    if (each === 'if') continue
    const [register, bytes] = [registerIn(each.first), strides.get(each.loop) ?? 0]
    if (register !== null && bytes !== 0) found.push({ at, loop: each.loop, register, bytes })
  }
  return found
}

const settledFrom = (path: Path, strides: Stream['strides']): number => {
  const last = path.findLastIndex((each) => each === 'if' || !((tripsOf(each) ?? 0) > 0) || strides.has(each.loop))
  return last + 1
}

/** Does every iteration of the loop perform the accesses, with a pointer that no inner loop moves? */
const isSettled = ({ path, settledFrom }: Stream, loop: For | null): boolean =>
  (loop === null ? 0 : path.indexOf(loop) + 1) >= settledFrom
