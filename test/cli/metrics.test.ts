/** metrics.jsonl after a run was killed at any moment: complete lines for the finished updates, and no others. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { metricsName, openMetrics } from '../../src/cli/train/metrics.ts'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'effuse-metrics-'))
})
afterAll(() => rmSync(folder, { recursive: true }))
const read = (): string => readFileSync(join(folder, metricsName), 'utf8')

test('a resumed run keeps the complete lines up to its checkpoint', () => {
  const rising = fc
    .array(fc.record({ by: fc.integer({ min: 0, max: 3 }), note: fc.string({ unit: 'grapheme' }) }))
    .map((moves) => {
      let step = 0
      return moves.map(({ by, note }) => {
        step += by
        return { step, note }
      })
    })
  fc.assert(
    fc.property(rising, fc.nat({ max: 40 }), fc.nat({ max: 400 }), (lines, checkpoint, cut) => {
      const bytes = Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
      writeFileSync(join(folder, metricsName), bytes.subarray(0, Math.max(0, bytes.length - cut)))
      openMetrics(folder, 1).goOnFrom(checkpoint)
      let end = 0
      const whole = lines.filter((line) => {
        end += Buffer.byteLength(JSON.stringify(line)) + 1
        return end <= bytes.length - cut && line.step <= checkpoint
      })
      expect(read()).toBe(whole.map((line) => `${JSON.stringify(line)}\n`).join(''))
    }),
  )
})

test('user metrics are in the line of an evaluation', () => {
  const figures = { epoch: 0, step: 4, top1: 0.5, top5: 1, loss: 2, emaTop1: null, emaTop5: null, emaLoss: null }
  const event = { kind: 'evaluation', count: 9, isBest: true, emaMetrics: null, ...figures } as const
  writeFileSync(join(folder, metricsName), '')
  const metrics = openMetrics(folder, 1)
  metrics.evaluation({ ...event, metrics: {} })
  metrics.evaluation({ ...event, metrics: { distance: 1.5 } })
  const lines = read().trimEnd().split('\n')
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
    figures,
    { ...figures, metrics: { distance: 1.5 }, emaMetrics: null },
  ])
})

test('a foreign line ends the file', () => {
  writeFileSync(join(folder, metricsName), '{"step":1}\nhello\n{"step":2}\n')
  openMetrics(folder, 1).goOnFrom(9)
  expect(read()).toBe('{"step":1}\n')
})

test('a removed folder is reported', () => {
  const gone = join(folder, 'gone')
  expect(() => openMetrics(gone, 1).goOnFrom(0)).toThrow(/cannot write .*its folder does not exist/)
})
