import { expect, test } from 'vitest'
import { compile, efficientNet } from '../../src/index.ts'
import { profileTrace } from '../../src/inspect/index.ts'

interface Event {
  readonly name: string
  readonly ph: string
  readonly ts: number
  readonly dur: number
  readonly args: { readonly op?: string; readonly kernel?: string; readonly name?: string }
}

test('a trace has one event for each kernel of a profile, one after another', async () => {
  const model = efficientNet('b0', {
    resolution: 32,
    classes: 3,
    blocks: [{ kernel: 3, repeats: 1, filters: 8, expand: 1, strides: 2 }],
  })
  using net = await compile(model, { backend: 'wasm' })
  const rows = await net.profile({ image: new Uint8Array(32 * 32 * 3) })
  const { traceEvents } = JSON.parse(profileTrace(rows, 'small')) as { readonly traceEvents: readonly Event[] }
  const [title, ...events] = traceEvents
  expect(title).toMatchObject({ ph: 'M', args: { name: 'small' } })
  expect(events.map(({ name, args: { op, kernel } }) => ({ path: name, op, kernel }))).toEqual(
    rows.map(({ path, op, kernel }) => ({ path, op, kernel })),
  )
  expect(events.some(({ name }) => name.startsWith('blocks.0/'))).toBe(true)
  let end = 0
  for (const { ph, ts, dur } of events) {
    expect(ph).toBe('X')
    expect(ts).toBeCloseTo(end, 6)
    end = ts + dur
  }
  expect(end).toBeCloseTo(1000 * rows.reduce((sum, { ms }) => sum + ms, 0), 6)
})

test('a kernel without a path is named after its op', () => {
  const { traceEvents } = JSON.parse(profileTrace([{ path: '', op: 'add', kernel: 'k', ms: 2 }])) as {
    readonly traceEvents: readonly Event[]
  }
  expect(traceEvents[1]).toMatchObject({ name: 'add', ts: 0, dur: 2000 })
})
