/** The end of a failing pass's error: a command that the command line accepts, or a line of code that runs unchanged. */
import { readFileSync, writeFileSync, mkdtempSync, rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import * as compiler from '../../src/compiler.ts'
import { referenceBackend } from '../../src/backends/reference/index.ts'
import { compile } from '../../src/compile.ts'
import { add, relu } from '../../src/ir/functions.ts'
import { graph } from '../../src/ir/model.ts'
import { parse } from '../../src/ir/parse.ts'
import { float32 } from '../../src/ir/value.ts'
import { definePass, type Pass } from '../../src/passes/pass.ts'
import { pipeline } from '../../src/passes/pipeline.ts'
import { programOf } from '../../src/passes/program.ts'
import { meaningJudge } from '../../src/passes/judge.ts'
import { parsePipeline } from '../../src/passes/registry.ts'
import { rulePass } from '../../src/passes/rewrite/driver.ts'
import { rule } from '../../src/passes/rewrite/rules.ts'
import { runPipeline, type RunnerOptions } from '../../src/passes/runner.ts'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "effuse it's-"))
})
afterAll(() => rmSync(folder, { recursive: true }))

const declared = parse(
  'graph g { %x = input() {name="x"} : float32[2] %r = relu(%x) : float32[2] %d = dropout(%r) {rate=0.5, per="element", stream="d"} : float32[2] %y = neg(%d) : float32[2] return %y }',
)
const wrong = rulePass('it-is-wrong', 'wrong', [
  rule('relu(x) -> abs(x)', 'relu', (n, m) => m.b.emit1('abs', n.inputs, {})),
])
const nothing = definePass({
  name: 'nothing',
  summary: 'nothing',
  phase: 'simplify',
  preserves: 'bits',
  run: (g) => g,
})
const failing = definePass({
  ...nothing,
  name: 'failing',
  run: () => {
    throw new TypeError('oh')
  },
})
const messageOf = (passes: readonly Pass[], options: RunnerOptions, start = declared): string => {
  try {
    runPipeline(pipeline(passes), programOf(start), options)
  } catch (error) {
    return (error as Error).message
  }
  return 'nothing was thrown'
}
const saved = (): NonNullable<RunnerOptions['saveReproducer']> => (reproducer) => {
  const path = join(folder, 'graph.ir')
  writeFileSync(path, reproducer.program)
  return path
}
/** Runs the line like a user who pastes it, and returns the message of the resulting error. */
const pasted = async (message: string, more: { readonly [name: string]: unknown }): Promise<string> => {
  const code = /to replay: (runPipeline\(.*?\))(;|$)/m.exec(message)?.[1] ?? 'there is no code'
  const scope = { ...compiler, readFile, ...more }
  const run = new Function(...Object.keys(scope), `return (async () => ${code})()`) as (
    ...values: readonly unknown[]
  ) => Promise<unknown>
  return run(...Object.values(scope)).then(
    () => 'nothing was thrown',
    (error: Error) => error.message,
  )
}
const graphIn = (message: string): string => /:\n( {4}graph [\s\S]*\n {4}\})\n/.exec(message)?.[1] ?? ''
const firstLine = (message: string): string => message.split('\n')[0] ?? ''
const mode = parsePipeline('to-inference,dce').passes

test.each([true, false])("a user's pass that throws, with a file: %s", async (isSaved) => {
  const options = { ...(isSaved ? { saveReproducer: saved() } : {}) }
  const message = messageOf([...mode, nothing, failing, ...parsePipeline('cse').passes], options)
  expect(message).not.toContain('effuse opt')
  expect(message).toContain("; pass is your 'failing'")
  expect(message.includes("stage: 'tensor'")).toBe(isSaved)
  expect(message.includes("pass1 is your 'nothing'")).toBe(!isSaved)
  const again = await pasted(message, { pass: failing, pass1: nothing, program: programOf(declared) })
  expect(firstLine(again)).toBe(firstLine(message))
})

test.each([true, false])("a user's pass that changes the meaning, with a file: %s", async (isSaved) => {
  const options = { judge: meaningJudge, ...(isSaved ? { saveReproducer: saved() } : {}) }
  const message = messageOf([...mode, nothing, wrong], options)
  expect(message).not.toContain('effuse verify')
  const own = { pass: wrong, pass1: nothing, text: graphIn(message) }
  expect(firstLine(await pasted(message, own))).toContain("pass 'it-is-wrong': it changed what the graph computes")
  if (isSaved)
    expect(readFileSync(join(folder, 'graph.ir'), 'utf8').trim()).toBe(graphIn(message).replace(/^ {4}/gm, ''))
})

test('a graph with a chosen mode stays at its stage', async () => {
  const tensor = parse(
    'graph g { %x = input() {name="x"} : float32[2] %r = relu(%x) : float32[2] %y = neg(%r) : float32[2] return %y }',
  )
  const message = messageOf([wrong], { judge: meaningJudge, stage: 'tensor' }, tensor)
  expect(message).toContain("{ stage: 'tensor', judge: meaningJudge }")
})

test('a registered pass has a command with a file, and code without one', async () => {
  const broken = [...mode, ...parsePipeline('differentiate{loss="l\'oss"}').passes]
  expect(messageOf(broken, { saveReproducer: saved() })).toMatch(
    /to replay: effuse opt .*graph\.ir --stage tensor --passes 'differentiate/,
  )
  const message = messageOf(broken, {})
  expect(message).not.toContain('effuse opt')
  expect(firstLine(await pasted(message, { program: programOf(declared) }))).toBe(firstLine(message))
})

test("compile() with a user's pass: the printed line also runs", async () => {
  const model = graph('twice', { x: float32('batch', 2) }, ({ x }) => ({ y: relu(add(x, x)) }))
  for (const [pass, verify] of [
    [failing, false],
    [wrong, true],
  ] as const) {
    const { message } = await compile(model, {
      backend: 'reference',
      verify,
      passes: (p) => p.before('fuse', pass),
    }).then(
      () => new Error('nothing was thrown'),
      (error: Error) => error,
    )
    const [, file = ''] = /readFile\('(.*?)', 'utf8'\)/.exec(message) ?? []
    try {
      expect(await pasted(message, { pass })).toContain(firstLine(message).slice(0, 40))
    } finally {
      rmSync(file, { force: true })
    }
  }
})

test('a command names the backend, since passes may depend on it', async () => {
  const model = graph('twice', { x: float32('batch', 2) }, ({ x }) => ({ y: relu(add(x, x)) }))
  for (const name of ['reference', 'my-own']) {
    const backend = { ...referenceBackend(), name, legalize: [wrong] }
    const { message } = await compile(model, { backend, verify: true }).then(
      () => new Error('nothing was thrown'),
      (error: Error) => error,
    )
    const [, file = '', flags] = /to replay: effuse verify (\S+) (.*)--passes '.*it-is-wrong'/.exec(message) ?? []
    rmSync(file, { force: true })
    expect(flags, message).toBe(name === 'reference' ? '--backend reference ' : '')
  }
})
