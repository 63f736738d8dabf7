/** Large texts and files, with many parts or deep nesting: they are rejected or read, in time proportional to their length. */
import { expect, test } from 'vitest'
import { readSafetensors } from '../../src/io/safetensors.ts'
import { readTorchCheckpoint } from '../../src/io/torch-checkpoint.ts'
import { parse } from '../../src/ir/parse.ts'
import { parseProgram } from '../../src/passes/program-text.ts'
import { parsePipeline } from '../../src/passes/registry.ts'
import { parseRecipe } from '../../src/recipes/load.ts'
import { parseState } from '../../src/train/run-state.ts'
import { bytesOfText, concat } from '../io/support.ts'
import { int64, p, zipCheckpoint } from '../io/torch-files.ts'
import { judge } from './judge.ts'

const long = 'a'.repeat(2e7)
const many = (count: number, part: (i: number) => string, between = ' '): string =>
  Array.from({ length: count }, (_, i) => part(i)).join(between)
const header = (text: string): Uint8Array => concat(int64(text.length), bytesOfText(text))
const opcodes = (count: number, first: number, second: number): Uint8Array =>
  concat(new Uint8Array(count).fill(first), new Uint8Array(count - 1).fill(second))
const x = 'graph g { %x = input() {name="x"} : float32[2]'
const [recipe, state] = [(text: string) => parseRecipe(text, 'a.json'), parseState]

/** The error code; null if the file is read. */
test.each<[name: string, read: () => unknown, code: string | null]>([
  ['a graph whose name has no end', () => parse(`graph "${long}`), 'EF201'],
  ['a graph with a long name', () => parse(`graph "${long}" {`), 'EF201'],
  ['a graph with a long path', () => parse(`${x} @ "${long}" return %x }`), null],
  ['a graph with a long path that has no end', () => parse(`${x} @ "${long}`), 'EF201'],
  ['a name of escapes', () => parse(`graph "${'\\\\'.repeat(2e7)}" {`), 'EF201'],
  ['an op of a long name', () => parse(`graph g { %x = ${long}() : float32[]`), 'EF202'],
  ['many outputs', () => parse(`${x} return ${many(40_000, (i) => `o${i} = %x`, ', ')} }`), null],
  [
    'many updates',
    () =>
      parse(
        `${x} ${many(20_000, (i) => `%v${i} = variable() {name="v${i}"} : float32[2]`)} ${many(20_000, (i) => `update %v${i} = %x`)} return %x }`,
      ),
    null,
  ],
  [
    'many nodes',
    () => parse(`${x} ${many(10_000, (i) => `%x${i} = neg(%x${i === 0 ? '' : i - 1}) : float32[2]`)} return %x9999 }`),
    null,
  ],
  ['a program of many steps', () => parseProgram(many(2000, (i) => `step s${i}\ngraph g { return }`, '\n')), null],
  ['a recipe nested deep', () => recipe(`{"model":${'['.repeat(1e5)}`), 'EF403'],
  ['a recipe with a long value', () => recipe(`{"model":"${long}"`), 'EF403'],
  ['a recipe with a long setting', () => recipe(`{"${long}": 1}`), 'EF403'],
  ['a state nested deep', () => state(`{"version":1,"state":${'['.repeat(1e5)}${']'.repeat(1e5)}}`), null],
  ['a long pass', () => parsePipeline(long), 'EF301'],
  ['many passes', () => parsePipeline(many(50_000, () => 'cse', ',')), null],
  ['a fault after many spaces', () => parsePipeline(`cse${' '.repeat(1e6)}x`), 'EF302'],
  ['an option nested deep', () => parsePipeline(`decompose{ops=${'['.repeat(1e5)}${']'.repeat(1e5)}}`), 'EF302'],
  ['a header nested deep', () => readSafetensors(header(`{"a":${'['.repeat(1e5)}`)), 'EF503'],
  ['a header with a long name', () => readSafetensors(header(`{"${long}`)), 'EF503'],
  ['lists in lists of a pickle', () => readTorchCheckpoint(zipCheckpoint(opcodes(1e5, 0x5d, 0x61))), 'EF504'],
  ['marks of a pickle', () => readTorchCheckpoint(zipCheckpoint(opcodes(1e5, 0x28, 0x29))), 'EF504'],
  ['a long name in a pickle', () => readTorchCheckpoint(zipCheckpoint(p.dict([p.text(long), p.int(1)]))), 'EF504'],
])('%s', async (_name, read, code) => {
  expect(await judge(read, 4e7, { ms: 5000, bytes: 2 ** 30 })).toBe(code)
})
