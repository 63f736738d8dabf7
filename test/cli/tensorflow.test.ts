/** The command line with the TensorFlow backend. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { tensorflowOrSkip } from '../support/tensorflow.ts'
import { run, writeRecipe } from './command.ts'

tensorflowOrSkip('--backend tensorflow', () => {
  let folder = ''
  const at = (name: string): string => join(folder, name)
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'effuse-cli-tensorflow-'))
    await writeRecipe(at('tiny.json'), { emaDecay: 0.9 })
  })
  afterAll(() => rm(folder, { recursive: true }))

  const checkpointOf = (out: string): string => JSON.parse(out).checkpoint

  test('train reports the backend; a resumed run has the bits of an uninterrupted one; evaluate accepts both backends', async () => {
    const recipe = ['--recipe', at('tiny.json'), '--backend', 'tensorflow', '--schedule', 'constant', '--json']
    const whole = await run('train', ...recipe, '--epochs', '2', '--out', at('whole'))
    expect([whole.code, whole.err]).toEqual([0, expect.stringContaining('compiled for tensorflow')])
    const half = await run('train', ...recipe, '--epochs', '1', '--out', at('half'))
    const resumed = await run('train', '--resume', at('half'), '--epochs', '2', '--json')
    expect([half.code, resumed.code, resumed.err]).toEqual([0, 0, expect.stringContaining('compiled for tensorflow')])
    const [want, got] = [await readFile(checkpointOf(whole.out)), await readFile(checkpointOf(resumed.out))]
    expect(got.equals(want)).toBe(true)
    const [here, there] = await Promise.all(
      ['tensorflow', 'tfjs-wasm'].map(async (backend) => {
        const { out } = await run('evaluate', at('whole'), '--backend', backend, '--json')
        return JSON.parse(out)
      }),
    )
    expect([here.count, here.top1]).toEqual([there.count, there.top1])
    expect(here.loss).toBeCloseTo(there.loss, 4)
  })
})
