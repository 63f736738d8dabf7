/**
 * Executables compared with a plain model of the right results: runs, set(), load(), save(), executables that share variables, compilations that
 * are aborted and dispose(), called in any order and not awaited, on every backend.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Backend } from '../../src/backends/backend.ts'
import { referenceBackend } from '../../src/backends/reference/index.ts'
import { createTensorflowBackend } from '../../src/backends/tensorflow/index.ts'
import { createTfjsBackend } from '../../src/backends/tfjs/index.ts'
import { createWasmBackend } from '../../src/backends/wasm/index.ts'
import { compile } from '../../src/compile.ts'
import type { Executable } from '../../src/executable/executable.ts'
import { add, float32, graph, mul } from '../../src/index.ts'
import type { Value } from '../../src/ir/value.ts'
import { updating } from '../support/updating-pass.ts'
import { waitingBackend } from '../support/waiting-backend.ts'
import { withTensorflow } from '../support/tensorflow.ts'
import { withAdapter } from '../support/webgpu.ts'

const backends: readonly (readonly [string, () => Promise<Backend>])[] = [
  ['reference', async () => referenceBackend()],
  ['a backend that waits', async () => waitingBackend(11)],
  ['wasm', () => createWasmBackend({ threads: 2 })],
  ['tfjs-wasm', () => createTfjsBackend({ backend: 'wasm' })],
  ['tfjs-cpu', () => createTfjsBackend({ backend: 'cpu' })],
  ...withAdapter.map((name) => [name, () => createTfjsBackend({ backend: 'webgpu' })] as const),
  ...withTensorflow.map((name) => [name, () => createTensorflowBackend()] as const),
]

/** y = w + x, twice = 2 w + x, and w becomes y. 2 w depends on w alone, so it is derived, and kept until w changes. */
const net = graph('net', { x: float32(1) }, ({ x }, b) => {
  const w = b.variable('w', { shape: [1], init: { kind: 'zeros' } }) as Value<'float32', 1> // declared so
  return { y: add(w, x), twice: add(mul(w, 2), x) }
})
const open = (backend: Backend, variables?: Executable['variables'], signal?: AbortSignal) =>
  compile(net, { backend, variables, signal, passes: (p) => p.after('to-inference', updating) })
type Net = Awaited<ReturnType<typeof open>>

/** The variables that executables share. */
interface Shared {
  w: number
}
interface Known {
  readonly shared: Shared
  readonly isDisposed: boolean
}
/** The plain model: it has as many executables as the real one, in the same order. */
interface Expected {
  readonly nets: Known[]
  /** The values in the saved files. */
  readonly files: number[]
}
interface Real {
  readonly backend: Backend
  readonly nets: Net[]
  readonly files: Promise<Uint8Array>[]
  /** Calls that were not awaited. */
  readonly pending: Promise<unknown>[]
}

/** An executable that is not disposed of; null if there is none. */
const undisposed = ({ nets }: Expected, pick: number): number | null => {
  const indices = [...nets.keys()].filter((i) => nets[i]?.isDisposed === false)
  return indices[pick % Math.max(1, indices.length)] ?? null
}

type Command = fc.AsyncCommand<Expected, Real>
/** A command on an executable that is not disposed of. */
const onLiving = (
  label: string,
  pick: number,
  call: (
    found: { readonly net: Net; readonly shared: Shared; readonly at: number },
    model: Expected,
    real: Real,
  ) => void,
): Command => ({
  check: (model) => undisposed(model, pick) !== null,
  run: async (model, real) => {
    const at = undisposed(model, pick) ?? 0
    const [net, known] = [real.nets[at], model.nets[at]]
    if (net === undefined || known === undefined) throw new Error('the model and the executables differ in number')
    call({ net, shared: known.shared, at }, model, real)
  },
  toString: () => `${label}@${pick}`,
})

const run = (pick: number, x: number): Command =>
  onLiving(`run(${x})`, pick, ({ net, shared }, _, { pending }) => {
    const [y, twice] = [shared.w + x, 2 * shared.w + x]
    shared.w = y
    const results = net.run({ x: [x] })
    pending.push(
      results.then(async (r) => {
        expect([(await r.y.data())[0], (await r.twice.data())[0]]).toEqual([y, twice])
        r.y.dispose()
        r.twice.dispose()
      }),
    )
  })

const runWrong = (pick: number): Command =>
  onLiving('run(wrong)', pick, ({ net }, _, { pending }) => {
    pending.push(expect(net.run({ x: [1, 2] })).rejects.toMatchObject({ code: 'EF402' }))
  })

const set = (pick: number, w: number): Command =>
  onLiving(`set(${w})`, pick, ({ net, shared }, _, { pending }) => {
    shared.w = w
    pending.push(net.variables.set('w', [w]))
  })

const setWrong = (pick: number): Command =>
  onLiving('set(wrong)', pick, ({ net }, _, { pending }) => {
    pending.push(expect(net.variables.set('w', [1, 2])).rejects.toMatchObject({ name: 'EffuseError' }))
  })

const get = (pick: number): Command =>
  onLiving('get', pick, ({ net, shared: { w } }, _, { pending }) => {
    pending.push(net.variables.get('w').then((got) => expect(got).toEqual(Float32Array.of(w))))
  })

const save = (pick: number): Command =>
  onLiving('save', pick, ({ net, shared: { w } }, { files }, real) => {
    files.push(w)
    const bytes = net.variables.save()
    real.files.push(bytes)
    real.pending.push(bytes)
  })

/** Loads a file. If the file is still being saved, it first waits for its bytes. */
const load = (pick: number, file: number, isDamaged: boolean): Command => ({
  check: ({ files, ...model }) => files.length > 0 && undisposed({ files, ...model }, pick) !== null,
  run: async (model, real) => {
    const at = file % model.files.length
    const bytes = (await real.files[at]) as Uint8Array<ArrayBuffer> // there are as many as in the model
    await onLiving('load', pick, ({ net, shared }, { files }, { pending }) => {
      if (isDamaged) {
        pending.push(expect(net.variables.load(bytes.slice(0, -3))).rejects.toMatchObject({ name: 'EffuseError' }))
        return
      }
      shared.w = files[at] ?? Number.NaN
      pending.push(net.variables.load(bytes))
    }).run(model, real)
  },
  toString: () => `${isDamaged ? 'loadDamaged' : 'load'}(${file})@${pick}`,
})

/** Opens another executable, with its own variables or with those of an existing one. */
const openAnother = (pick: number, isSharing: boolean): Command => ({
  check: (model) => model.nets.length < 6 && (!isSharing || undisposed(model, pick) !== null),
  run: async (model, real) => {
    const at = isSharing ? undisposed(model, pick) : null
    const known = at === null ? undefined : model.nets[at]
    real.nets.push(await open(real.backend, at === null ? undefined : real.nets[at]?.variables))
    model.nets.push({ shared: known?.shared ?? { w: 0 }, isDisposed: false })
  },
  toString: () => (isSharing ? `share@${pick}` : 'open'),
})

const abort = (pick: number, ticks: number): Command => ({
  check: (model) => undisposed(model, pick) !== null,
  run: async (model, real) => {
    const ending = new AbortController()
    const opened = open(real.backend, real.nets[undisposed(model, pick) ?? 0]?.variables, ending.signal)
    for (let i = 0; i < ticks; i++) await null
    ending.abort(new Error('enough'))
    // It may have completed before the abort.
    await opened.then(
      (net) => net.dispose(),
      (error: unknown) => expect(error).toEqual(new Error('enough')),
    )
  },
  toString: () => `abort(${ticks})@${pick}`,
})

/** Earlier calls still run. Later calls on the executable are errors, and others that share the variables continue. */
const dispose = (pick: number): Command =>
  onLiving('dispose', pick, ({ net, shared, at }, model, { pending }) => {
    net.dispose()
    model.nets[at] = { shared, isDisposed: true }
    pending.push(expect(net.run({ x: [1] })).rejects.toMatchObject({ code: 'EF406' }))
  })

const wait: Command = {
  check: () => true,
  run: async (_, { pending }) => {
    await Promise.all(pending.splice(0))
  },
  toString: () => 'wait',
}

const pick = fc.nat(5)
const small = fc.integer({ min: -9, max: 9 })
const commands = fc.commands(
  [
    fc.tuple(pick, small).map(([at, x]) => run(at, x)),
    fc.tuple(pick, small).map(([at, x]) => run(at, x)),
    fc.tuple(pick, small).map(([at, w]) => set(at, w)),
    pick.map(runWrong),
    pick.map(setWrong),
    pick.map(get),
    pick.map(save),
    fc.tuple(pick, fc.nat(), fc.boolean()).map(([at, file, isDamaged]) => load(at, file, isDamaged)),
    fc.tuple(pick, fc.boolean()).map(([at, isSharing]) => openAnother(at, isSharing)),
    fc.tuple(pick, fc.nat(6)).map(([at, ticks]) => abort(at, ticks)),
    pick.map(dispose),
    fc.constant(wait),
  ],
  { maxCommands: 40 },
)

test.each(backends)('%s does what the plain model does', async (_name, make) => {
  const backend = await make()
  await fc.assert(
    fc.asyncProperty(commands, async (all) => {
      const real: Real = { backend, nets: [await open(backend)], files: [], pending: [] }
      const model: Expected = { nets: [{ shared: { w: 0 }, isDisposed: false }], files: [] }
      try {
        await fc.asyncModelRun(() => ({ model, real }), all)
        await Promise.all(real.pending)
        for (const [at, { shared, isDisposed }] of model.nets.entries())
          if (!isDisposed) expect(await real.nets[at]?.variables.get('w')).toEqual(Float32Array.of(shared.w))
      } finally {
        await Promise.allSettled(real.pending)
        for (const [at, { isDisposed }] of model.nets.entries()) if (!isDisposed) real.nets[at]?.dispose()
      }
    }),
    { numRuns: 60 },
  )
})
