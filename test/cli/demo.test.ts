/** The end of `npm run demo`: its real script with a fake for the built commands. */
import { spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { endOf } from './built-cli.ts'

const scripts = fileURLToPath(new URL('../../scripts', import.meta.url))
let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'effuse-demo-'))
  for (const name of ['scripts/support', 'dist/cli', 'examples']) await mkdir(join(folder, name), { recursive: true })
  for (const name of ['demo.mjs', 'support/step.mjs']) await cp(join(scripts, name), join(folder, 'scripts', name))
  // The demo must not install or build anything here.
  await writeFile(join(folder, 'scripts/support/install.mjs'), 'export const ensureInstalled = () => {}')
  await writeFile(join(folder, 'scripts/support/tools.mjs'), 'export const ensureBuilt = () => {}')
  await writeFile(join(folder, 'examples/show-digits.mjs'), `console.log('shown: ' + process.argv[2])`)
})
afterAll(() => rm(folder, { recursive: true }))

/** Runs the demo with this program as the training. */
const demo = async (training: string) => {
  await writeFile(join(folder, 'dist/cli/main.js'), training)
  return endOf(spawn(process.execPath, [join(folder, 'scripts/demo.mjs')]))
}
const document = (checkpoint: string | null): string =>
  `console.log(JSON.stringify({ checkpoint: ${JSON.stringify(checkpoint)}, epochs: 1, steps: 2, seconds: 3 }));`

test('an interrupted training is not an error, and the demo prints how to continue', async () => {
  for (const code of [129, 130, 143]) {
    const stopped = await demo(`${document('a.safetensors')} process.exitCode = ${code}`)
    expect(stopped).toMatchObject({ code, out: '' })
    expect(stopped.err).toContain(`npx effuse train --resume ${join('runs', 'demo')}\n`)
    expect(stopped.err).not.toContain('error')
  }
})

test('without a checkpoint the demo cannot continue', async () => {
  for (const training of [`${document(null)} process.exitCode = 130`, `process.kill(process.pid, 'SIGINT')`]) {
    const stopped = await demo(training)
    expect(stopped).toMatchObject({ code: 130, out: '' })
    expect(stopped.err).not.toMatch(/error|--resume/)
  }
})

test('a failed training is an error, and a finished one is shown', async () => {
  const failed = await demo(`console.log('{"error":{"message":"no room"}}'); process.exitCode = 1`)
  expect([failed.code, failed.err]).toEqual([
    1,
    expect.stringMatching(/error: `effuse train` ended with code 1: no room/),
  ])
  expect(await demo(document('b.safetensors'))).toMatchObject({
    code: 0,
    out: expect.stringContaining('shown: b.safe'),
  })
})
