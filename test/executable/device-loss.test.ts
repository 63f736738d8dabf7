/** A lost device: waiting and later calls on runs and variables report it, and no call uses the device again. */
import { expect, test } from 'vitest'
import type { Backend } from '../../src/backends/backend.ts'
import { compile } from '../../src/compile.ts'
import { add, float32, graph } from '../../src/index.ts'
import type { Value } from '../../src/ir/value.ts'
import { waitingBackend } from '../support/waiting-backend.ts'

const model = graph('adding', { x: float32(1) }, ({ x }, b) => ({
  y: add(x, b.variable('w', { shape: [1], init: { kind: 'zeros' } }) as Value<'float32', 1>), // declared so
}))
/** A backend whose device `lose` removes. After that its runs fail like calls of a driver. */
const backendWithLoss = () => {
  let lose = (): void => {}
  const state = { isLost: false, runs: 0 }
  const lost = new Promise<{ readonly reason: string }>((resolve) => {
    lose = () => {
      state.isLost = true
      resolve({ reason: 'the driver was restarted' })
    }
  })
  const inner = waitingBackend(3)
  const backend: Backend = {
    ...inner,
    lost,
    compile: async (...call) => {
      const runnable = await inner.compile(...call)
      return {
        ...runnable,
        run: async (...at) => {
          state.runs++
          const results = await runnable.run(...at)
          if (state.isLost) throw new Error('GPUDevice is lost')
          return results
        },
      }
    },
  }
  return { backend, state, lose: () => lose() }
}

test('waiting runs and the current run fail with EF410 when the device is lost', async () => {
  const { backend, state, lose } = backendWithLoss()
  using net = await compile(model, { backend })
  await net.run({ x: [1] })
  const codes = Array.from({ length: 5 }, (_, i) =>
    net.run({ x: [i] }).then(
      () => 'ran',
      (error) => error,
    ),
  )
  while (state.runs < 2) await null
  lose()
  for (const error of await Promise.all(codes))
    expect(error).toMatchObject({ code: 'EF410', message: expect.stringContaining('the driver was restarted') })
  expect(state.runs).toBe(2)
  expect(net.runIndex).toBe(1)
})

test('variables of a lost device are neither read nor written', async () => {
  const { backend, lose } = backendWithLoss()
  using net = await compile(model, { backend })
  const file = await net.variables.save()
  lose()
  await null
  const { variables } = net
  for (const call of [
    () => variables.get('w'),
    () => variables.set('w', [1]),
    () => variables.save(),
    () => variables.load(file),
  ])
    await expect(call()).rejects.toMatchObject({ code: 'EF410' })
})
