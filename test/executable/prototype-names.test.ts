/** Names of properties that every JavaScript object inherits are valid names. */
import { describe, expect, test } from 'vitest'
import { compile } from '../../src/compile.ts'
import { add } from '../../src/ir/functions.ts'
import { interpret } from '../../src/ir/interpret.ts'
import { graph } from '../../src/ir/model.ts'
import * as nn from '../../src/ir/nn.ts'
import { parse } from '../../src/ir/parse.ts'
import { print } from '../../src/ir/print.ts'
import { float32 } from '../../src/ir/value.ts'

const names = ['constructor', 'toString', 'hasOwnProperty', '__proto__', 'valueOf'] as const

describe.each(names)('%s', (name) => {
  // A computed name, so that `__proto__` becomes a property too.
  const net = graph('net', { [name]: float32('batch', 2) }, (inputs) => {
    const x = Object.values(inputs)[0] as (typeof inputs)[string]
    return { [name]: add(nn.dense(x, { name, units: 2, bias: false }), x) }
  })
  const text = `graph g { %x = input() {name="${name}"} : float32[2] return "${name}" = %x }`

  test('as a missing input', async () => {
    expect(() => interpret(parse(text))).toThrow(expect.objectContaining({ code: 'EF401' }))
    expect(() => interpret(parse(text), { inputs: {} })).toThrow(expect.objectContaining({ code: 'EF401' }))
    using executable = await compile(net, { backend: 'reference' })
    await expect(executable.run({})).rejects.toMatchObject({ code: 'EF401' })
  })

  test('as an input, an output, a layer and its variable', async () => {
    expect(
      Array.from(Object.values(interpret(parse(text), { inputs: { [name]: [3, 4] } }).outputs)[0]?.data ?? []),
    ).toEqual([3, 4])
    expect(print(parse(print(parse(text))))).toBe(print(parse(text)))
    for (const backend of ['reference', 'tfjs-cpu'] as const) {
      using executable = await compile(net, { backend, verify: true })
      expect(executable.variables.names()).toEqual([`${name}/kernel`])
      await executable.variables.set(`${name}/kernel`, [1, 2, 3, 4])
      const results = await executable.run({ [name]: [[1, 1]] })
      expect(Object.keys(results)).toEqual([name])
      expect(await Object.values(results)[0]?.data()).toEqual(Float32Array.of(1 + 3 + 1, 2 + 4 + 1))
    }
  })

  test('as an unknown option', async () => {
    const options = Object.fromEntries([
      ['backend', 'reference'],
      [name, true],
    ])
    await expect(compile(net, options)).rejects.toMatchObject({
      code: 'EF403',
      message: expect.stringContaining(`no option "${name}"`),
    })
  })

  test('as an unknown feed', async () => {
    const other = graph('other', { x: float32('batch', 2) }, ({ x }) => ({ y: add(x, x) }))
    using executable = await compile(other, { backend: 'reference' })
    await expect(
      executable.run(
        Object.fromEntries([
          ['x', [[1, 2]]],
          [name, 1],
        ]) as never,
      ),
    ).rejects.toMatchObject({
      code: 'EF401',
      message: expect.stringContaining(`there is no input "${name}"`),
    })
  })
})
