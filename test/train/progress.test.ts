/** `progress: true` on a terminal, without a terminal, and in a browser. */
import { afterEach, expect, test, vi } from 'vitest'
import { crossEntropy } from '../../src/passes/train/losses.ts'
import { sgd } from '../../src/passes/train/optimizers.ts'
import * as browser from '../../src/platform/browser.ts'
import { fit } from '../../src/train/fit.ts'
import type { FitOptions } from '../../src/train/fit-options.ts'
import { pictures, smallNet } from './small-data.ts'

/** The process's stderr, or a terminal. Returns what is written to it. */
const stderr = (isTerminal: boolean, term: string): (() => string) => {
  let text = ''
  vi.spyOn(process.stderr, 'write').mockImplementation((data) => {
    text += String(data)
    return true
  })
  Object.defineProperty(process.stderr, 'isTTY', { value: isTerminal, configurable: true })
  Object.defineProperty(process.stderr, 'columns', { value: 100, configurable: true })
  vi.stubEnv('TERM', term)
  return () => text
}
const were = ['isTTY', 'columns'].map((name) => [name, Object.getOwnPropertyDescriptor(process.stderr, name)] as const)
afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
  for (const [name, descriptor] of were)
    if (descriptor === undefined) Reflect.deleteProperty(process.stderr, name)
    else Object.defineProperty(process.stderr, name, descriptor)
})

const options = {
  data: { train: pictures(60), test: pictures(21) },
  loss: crossEntropy(),
  optimizer: sgd({ learningRate: 0.01 }),
  epochs: 2,
  batch: 10,
  accumulate: 2,
  backend: 'tfjs-wasm',
} as const
const train = async (more: Pick<FitOptions, 'progress' | 'onEvent'>): Promise<void> => {
  using run = await fit(smallNet(), { ...options, ...more })
  expect(run.steps).toBe(6)
}
const hiddenCursor = '\u001b[?25l'
const plain = [/^compiled for tfjs-wasm in /, /^epoch 1\/2 {2}update 1\/6 {2}loss .* images\/s .* left$/]
const evaluations = [/^epoch 1\/2: test loss .*, accuracy .* %$/, /^epoch 2\/2: test loss .*, accuracy .* %$/]

test('a terminal shows a bar; the end of the run removes it, and the cursor is restored', async () => {
  const text = stderr(true, 'xterm')
  const kinds: string[] = []
  await train({ progress: true, onEvent: ({ kind }) => kinds.push(kind) })
  expect(kinds).toContain('evaluation')
  expect(text()).toMatch(/\[[=-]{12}\] \d+ % {2}epoch 1\/2 {2}1\/6 {2}loss /)
  expect(text()).toContain('epoch 2/2: test loss')
  expect(text()).not.toContain(hiddenCursor)
  expect(text().endsWith('\u001b[1G\u001b[2K')).toBe(true) // the line of the bar is cleared
  const end = text().length
  await new Promise((resolve) => setTimeout(resolve, 250)) // a bar that was not stopped draws ten times in a second
  expect(text().length).toBe(end)
})

test('a failed run removes its bar', async () => {
  const text = stderr(true, 'xterm')
  const onEvent: FitOptions['onEvent'] = ({ kind }) => {
    if (kind === 'evaluation') throw new Error('enough')
  }
  await expect(train({ progress: true, onEvent })).rejects.toThrow('enough')
  expect(text().endsWith('\u001b[1G\u001b[2K')).toBe(true)
})

test.each([
  ['no terminal', false, 'xterm'],
  ['a dumb one', true, 'dumb'],
])('%s: lines without control characters', async (_, isTerminal, term) => {
  const text = stderr(isTerminal, term)
  await train({ progress: true })
  expect(text().split('\n')).toEqual([...plain, ...evaluations, /^$/].map((line) => expect.stringMatching(line)))
  expect(text()).not.toMatch(/[^\P{Cc}\n]/u)
})

test('without the option nothing is shown', async () => {
  const text = stderr(true, 'xterm')
  await train({})
  expect(text()).toBe('')
  await expect(train({ progress: 1 as never })).rejects.toMatchObject({ code: 'EF403' })
})

test('a browser uses its console', async () => {
  const info = vi.spyOn(console, 'info').mockReturnValue()
  const { say, bar } = await browser.progressOutput()
  say('epoch 1/2')
  expect(info.mock.calls).toEqual([['epoch 1/2']])
  expect(bar).toBeNull()
})
