/** The rule that TensorFlow 2.21 added, as an option of the strategy. tensorflow-goldens.test.ts compares its decisions with TensorFlow's. */
import { expect, test } from 'vitest'
import { parse } from '../../../src/ir/parse.ts'
import { print } from '../../../src/ir/print.ts'
import { graphOf, programOf } from '../../../src/passes/program.ts'
import { parsePipeline } from '../../../src/passes/registry.ts'
import { runPipeline } from '../../../src/passes/runner.ts'

const text = `graph tail {
  %0 = input() {name="x"} : float32[2,2]
  %1 = matmul(%0, %0) : float32[2,2]
  %2 = sigmoid(%1) : float32[2,2]
  %3 = tanh(%2) : float32[2,2]
  return y = %3
}`
const after = (passes: string): string => {
  const { program } = runPipeline(parsePipeline(passes), programOf(parse(text)), { verify: true })
  return print(graphOf(program))
}

test('a chain after the last contraction stays float32, or becomes half completely', () => {
  const without = after('amp{strategy="tensorflow"}')
  expect(without).toMatch(/sigmoid\(%\d+\) : float32/)
  const following = after('amp{strategy="tensorflow", followAllow=true}')
  expect(following).toMatch(/sigmoid\(%\d+\) : float16/)
  expect(following).toMatch(/tanh\(%\d+\) : float16/)
  expect(following.match(/ cast\(/g)).toHaveLength(2)
})

test('belongs to that strategy', () => {
  expect(() => parsePipeline('amp{followAllow=true}')).toThrow(
    /option "amp\.followAllow" belongs to the strategy 'tensorflow', and the strategy is 'minCut'/,
  )
})
