/** Files of weights that cannot be opened: the message says which file, and what to do on the command line. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { compile } from '../../src/compile.ts'
import { float32, graph, nn, reshape } from '../../src/index.ts'
import { readSafetensors, writeSafetensors } from '../../src/io/safetensors.ts'
import { smallNet } from '../train/small-data.ts'
import { run } from './command.ts'

let folder = ''
const at = (name: string): string => join(folder, name)
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'effuse-damaged-'))
  using net = await compile(smallNet(), { backend: 'reference' })
  await net.variables.save(at('whole.safetensors'))
})
afterAll(() => rm(folder, { recursive: true }))

/** The file with one byte changed. */
const flipped = async (name: string, place: (bytes: Uint8Array) => number, byte: number): Promise<string> => {
  const bytes = new Uint8Array(await readFile(at('whole.safetensors')))
  bytes[place(bytes)] = byte
  await writeFile(at(name), bytes)
  return at(name)
}

test.each([
  ['no UTF-8', 30, 0xff, 'the header must be UTF-8 text'],
  ['no JSON', 9, 0x78, 'the header must be JSON'],
])('a header that is %s after one byte changed may come from damage', async (_, place, byte, message) => {
  const path = await flipped('header.safetensors', () => place, byte)
  const { code, err } = await run('inspect', path)
  expect([code, err]).toEqual([1, expect.stringMatching(/^error EF503: /)])
  expect(err).toContain(message)
  expect(err).toContain('hint: the file is damaged, or was written wrongly: take another copy')
})

test('a file that has changed is accepted with the flag that the hint names', async () => {
  const path = await flipped('changed.safetensors', (bytes) => bytes.length - 2, 7)
  const { code, err } = await run('inspect', path)
  expect([code, err]).toEqual([1, expect.stringContaining(`EF509: ${path} has changed`)])
  const flag = /(--[\w-]+) on the command line/.exec(err)?.[1] ?? ''
  expect(await run('inspect', path, flag, '--backend', 'reference')).toMatchObject({ code: 0, err: '' })
  await writeFile(at('x.png'), '')
  for (const command of [
    ['predict', at('x.png'), '--weights', path],
    ['evaluate', path, '--data', 'digits'],
  ]) {
    expect((await run(...command)).err).toContain('EF509')
    expect((await run(...command, flag)).err).not.toMatch(/EF509|EF601/)
  }
})

test("weights of a user's network without their run give an error with the file and the missing option", async () => {
  const own = graph('own', { image: float32('batch', 2, 2, 1) }, ({ image }) => ({
    logits: nn.dense(reshape(image, ['batch', -1]), { name: 'dense', units: 3 }),
  }))
  using net = await compile(own, { backend: 'reference' })
  const path = at('step-00000004.safetensors')
  const bytes = await net.variables.save(path)
  await writeFile(at('x.png'), '')
  const { code, err } = await run('predict', at('x.png'), '--weights', folder)
  expect(code).toBe(1)
  expect(err).toContain(`EF505: ${path} was written by effuse for a user's own network`)
  expect(err).toMatch(/hint: .*add --model \.\/net\.js#name/)
  await writeFile(at('foreign.safetensors'), writeSafetensors([...readSafetensors(bytes).tensors.values()]))
  const foreign = await run('predict', at('x.png'), '--weights', at('foreign.safetensors'))
  expect(foreign.err).toContain(`EF505: the weights in ${at('foreign.safetensors')} are not of an EfficientNet`)
  expect(foreign.err).toContain('their names are "dense/bias", "dense/kernel"')
})
