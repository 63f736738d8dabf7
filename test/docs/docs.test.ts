/** Documents agree with the program: codes, variables, passes, ops, and code blocks that parse. */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { environmentVariables } from '../../src/executable/debug.ts'
import { errorCodes } from '../../src/ir/diagnostics.ts'
import { opNames } from '../../src/ir/ops/index.ts'
import { parse } from '../../src/ir/parse.ts'
import { print } from '../../src/ir/print.ts'
import { flagsOf } from '../cli/command.ts'
import { passFactories } from '../../src/passes/registry.ts'
import { opsPage } from '../../scripts/support/ops-page.ts'
import { passesPicture } from '../../scripts/support/passes-picture.ts'

const doc = (name: string): string => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8')

test('errors.md has a section for every code, and for no other', () => {
  expect([...doc('errors.md').matchAll(/^### (EF\d+)$/gm)].map((m) => m[1])).toEqual(Object.keys(errorCodes))
})
test('debugging.md lists the environment variables with their descriptions', () => {
  const rows = [...doc('debugging.md').matchAll(/^\| `(EFFUSE_\w+)` \| (.+) \|$/gm)].map((m) => [m[1], m[2]])
  expect(rows).toEqual(Object.entries(environmentVariables))
})
test('passes.md lists the passes and what they preserve', () => {
  const rows = [...doc('passes.md').matchAll(/^\| `([\w-]+)` \| .+ \| (\w+) \|$/gm)].map((m) => [m[1], m[2]])
  const known = passFactories.map((f) => [f.name, f.make({}).preserves])
  expect(rows.sort()).toEqual(known.sort())
})
test('ops.md is the page made from the ops (npm run docs)', () => {
  expect(doc('ops.md')).toBe(opsPage())
  expect(opNames.length).toBeGreaterThan(80)
})
test('README.md has at most 120 lines', () => {
  expect(doc('../README.md').split('\n').length).toBeLessThanOrEqual(120)
})
test('passes.svg is the picture made from the passes (npm run docs)', async () => {
  expect(doc('passes.svg')).toBe(await passesPicture())
})
describe('graphs in documents', () => {
  const blocks = ['ir.md', 'passes.md', 'ops.md'].flatMap((name) =>
    [...doc(name).matchAll(/```\n(graph [\s\S]*?)```/g)].map((m) => [name, m[1] ?? ''] as const),
  )
  test('there are some', () => expect(blocks.length).toBeGreaterThan(80))
  test.each(blocks)('%s %#: parses, and prints the same text', (_name, text) => expect(print(parse(text))).toBe(text))
})

describe('flags in documents', () => {
  const commands = [
    'train',
    'evaluate',
    'predict',
    'bench',
    'inspect',
    'explain',
    'opt',
    'verify',
    'export',
    'setup',
    'doctor',
  ]
  const flags = (text: string): readonly string[] =>
    [...text.matchAll(/(?<![\w-])--[a-z][\w-]*/g)].map(([flag]) => flag).filter((flag) => flag !== '--help')
  const unknown = async (named: readonly string[]): Promise<readonly string[]> => {
    const known = (await Promise.all(commands.map(flagsOf))).flat()
    expect(named.length).toBeGreaterThan(20)
    return named.filter((flag) => !known.includes(flag))
  }
  test('command-line.md names only existing flags', async () => {
    expect(await unknown(flags(doc('command-line.md')))).toEqual([])
  })
  test('from-nvidia.md names an existing counterpart for each flag of NVIDIA, and all flags of train', async () => {
    const right = [...doc('from-nvidia.md').matchAll(/^\| .+? \| (.+) \|$/gm)].flatMap((m) => flags(m[1] ?? ''))
    expect((await unknown(right)).filter((flag) => flag !== '--use_amp' && flag !== '--use_xla')).toEqual([])
    const missing = (await flagsOf('train')).filter((flag) => !right.includes(flag))
    expect(missing).toEqual(['--json', '--help'])
  })
})
