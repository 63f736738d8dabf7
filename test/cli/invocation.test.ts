/** The command in messages is the command that the user can type. */
import { execFileSync } from 'node:child_process'
import { chmod, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { invocationOf, shellWord } from '../../src/cli/invocation.ts'

let folder = ''
let program = ''
const at = (...names: readonly string[]): string => join(folder, ...names)
beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'effuse-invocation-')))
  program = at('project', 'node_modules', 'effuse', 'main.js')
  for (const place of [['project', 'node_modules', 'effuse'], ['project', 'node_modules', '.bin'], ['bin'], ['other']])
    await mkdir(at(...place), { recursive: true })
  await writeFile(program, '')
  await chmod(program, 0o755)
  await symlink(program, at('project', 'node_modules', '.bin', 'effuse'))
  await symlink(program, at('bin', 'effuse'))
  await writeFile(at('other', 'effuse'), 'another program of that name')
})
afterAll(() => rm(folder, { recursive: true }))

const invocation = (place: string, path: readonly string[], more: { readonly [name: string]: string } = {}): string =>
  invocationOf({
    program,
    folder: at(place),
    environment: { PATH: path.map((name) => at(name)).join(delimiter), ...more },
  })

test('`effuse` if the shell finds it, otherwise a command that reaches it', () => {
  expect(invocation('other', ['other', 'bin'])).toBe('effuse')
  expect(invocation('project', ['other', 'project/node_modules/.bin'])).toBe('npx effuse')
  expect(invocation('project', ['other'])).toBe('npx effuse')
  expect(invocation('project/node_modules', ['other'])).toBe('node effuse/main.js')
  expect(invocation('other', ['other'])).toBe(`node ${program}`)
  expect(invocation('other', [])).toBe(`node ${program}`)
  const script = { npm_lifecycle_event: 'effuse', npm_package_name: 'effuse' }
  expect(invocation('other', ['other'], script)).toBe('npm run effuse --')
  expect(invocation('other', ['other'], { ...script, npm_package_name: 'mine' })).toBe(`node ${program}`)
})

test.skipIf(process.platform === 'win32')('a quoted word passes a shell unchanged', () => {
  const printable = fc.string({ unit: 'binary', minLength: 1, maxLength: 12 }).filter((word) => !word.includes('\0'))
  fc.assert(
    fc.property(fc.oneof(printable, fc.constantFrom("it's", 'a b', '$HOME', '`x`', '-n', '~', '#', 'ü')), (word) => {
      expect(execFileSync('/bin/sh', ['-c', `printf %s ${shellWord(word)}`], { encoding: 'utf8' })).toBe(word)
    }),
    { numRuns: 60 },
  )
})
