/** `effuse setup` as a command: its flags, and its output on a machine where it ran before. */
import { spawnSync } from 'node:child_process'
import { expect, test, vi } from 'vitest'
import { findTensorflow } from '../../src/backends/tensorflow/find-library.ts'
import { findPackage } from '../../src/backends/tensorflow/places.ts'
import { hasTensorflow, tensorflowReason } from '../support/tensorflow.ts'
import { flagsOf, run } from './command.ts'

const found = findTensorflow()
const isFromSetup = 'source' in found && found.source === 'setup' && found.version === '2.21.0' && found.kind === 'cpu'

test('its help lists its flags, and --version is TensorFlow’s', async () => {
  expect(await flagsOf('setup')).toEqual(['--gpu', '--version', '--remove', '--json', '--help'])
  const { code, err } = await run('setup', 'tensorflow', '--version', '1.15.0')
  expect([code, err]).toEqual([
    2,
    expect.stringMatching(/^error EF601: --version must be one of 2\.21\.0, .*got "1\.15\.0"/),
  ])
})

test.each([
  [['setup'], /missing required argument 'what'/],
  [['setup', 'tensorflo'], /<what> must be one of tensorflow, got "tensorflo"\n {2}hint: did you mean tensorflow\?/],
  [['setup', 'tensorflow', '--remove', '--gpu'], /--remove removes everything, so it cannot be combined with --gpu/],
  [
    ['setup', 'tensorflow', '--remove', '--version', '2.21.0'],
    /--remove removes everything, so it cannot be combined with --version/,
  ],
])('%j is rejected', async (argv, message) => {
  const { code, err } = await run(...argv)
  expect([code, err]).toEqual([2, expect.stringMatching(message)])
})

const setupReason = isFromSetup ? '' : ' (skipped: setup has not installed TensorFlow 2.21.0 for CPUs)'
test.runIf(isFromSetup)(`after setup, a second call ends at once, and the bindings load${setupReason}`, async () => {
  const { code, out } = await run('setup', 'tensorflow', '--json')
  expect(code).toBe(0)
  const report = JSON.parse(out)
  expect(report).toMatchObject({ version: '2.21.0', kind: 'cpu', wasThere: true })
  for (const binding of report.bindings) expect(binding).toMatchObject({ version: '2.21.0', problem: null })
  expect(report.bindings.length).toBeGreaterThan(0)

  vi.stubEnv('EFFUSE_TENSORFLOW', '/elsewhere')
  const { out: lines } = await run('setup', 'tensorflow').finally(() => vi.unstubAllEnvs())
  expect(lines).toContain('EFFUSE_TENSORFLOW is set, so the library in that folder is used, not this one')
})

test.runIf(hasTensorflow)(`the library that is found answers with its version${tensorflowReason}`, () => {
  if ('missing' in found) throw new Error(found.missing)
  // In a separate process, because a library cannot be unloaded.
  const program = `const koffi = require(process.argv[1])
    koffi.load(process.argv[2], { lazy: true, global: true })
    const version = koffi.load(process.argv[3], { lazy: true }).func('const char *TF_Version()')()
    require('node:fs').writeSync(1, version)
    process.kill(process.pid, 'SIGKILL')`
  const koffi = findPackage('koffi')?.folder ?? ''
  const { stdout } = spawnSync(process.execPath, ['-e', program, koffi, found.framework, found.main], {
    encoding: 'utf8',
  })
  if (found.version === 'unknown') expect(stdout).toMatch(/^\d+\.\d+\.\d+/)
  else expect(stdout).toBe(found.version)
})
