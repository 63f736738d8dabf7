/** The first run makes the initial values of all variables. The event loop runs in between. */
import { expect, test } from 'vitest'
import { createTensorflowBackend } from '../../../src/backends/tensorflow/index.ts'
import { parse } from '../../../src/ir/parse.ts'
import { programOf } from '../../../src/passes/program.ts'
import { tensorflowOrSkip } from '../../support/tensorflow.ts'

tensorflowOrSkip('the first run on TensorFlow', () => {
  test('makes each initial value once, and lets the event loop run after those that take long', async () => {
    const backend = await createTensorflowBackend()
    const names = ['a', 'b', 'c', 'd', 'e']
    const count = 30_000 // so many that the call runs on another thread
    const g = parse(`graph g {
      ${names.map((name) => `%${name} = variable() {name="${name}", init={kind="zeros"}} : float32[${count}]`).join('\n')}
      %ab = add(%a, %b) : float32[${count}]
      %cd = add(%c, %d) : float32[${count}]
      %abcd = add(%ab, %cd) : float32[${count}]
      %y = add(%abcd, %e) : float32[${count}]
      return y = %y\n}`)
    const store = backend.createStore()
    let turn = 0
    const madeIn: number[] = []
    for (const [at, name] of names.entries())
      store.declare(name, { dtype: 'float32', shape: [count] }, () => {
        madeIn.push(turn)
        for (const end = performance.now() + 5; performance.now() < end; );
        return new Float32Array(count).fill(10 ** at)
      })
    const runnable = await backend.compile(programOf(g), store, { nameOf: (name) => name })
    const run = () => store.turn((at) => runnable.run(at, ['run'], new Map(), { seed: 1, runIndex: 0, replica: 0 }))
    let isOver = false
    const nextTurn = (): void => {
      turn++
      if (!isOver) setImmediate(nextTurn)
    }
    nextTurn()
    const first = (await run()).get('y')
    const second = (await run()).get('y')
    isOver = true
    expect(madeIn).toHaveLength(names.length)
    expect(new Set(madeIn).size).toBe(names.length)
    for (const y of [first, second]) expect(await y?.read()).toEqual(new Float32Array(count).fill(11_111))
    runnable.dispose()
    store.dispose()
  })
})
