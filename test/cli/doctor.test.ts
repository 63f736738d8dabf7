/** `effuse doctor`: TensorFlow with each of its parts missing, and the optional packages. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { optionalPackages } from '../../src/backends/node-machine.ts'
import { findTensorflow } from '../../src/backends/tensorflow/find-library.ts'
import { showsNvidia } from '../../src/backends/tensorflow/report.ts'
import { doctor } from '../../src/inspect/index.ts'
import { libraryBytes } from '../setup/fakes.ts'
import { hasTensorflow, tensorflowReason } from '../support/tensorflow.ts'
import { run } from './command.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'effuse-doctor-'))
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(folder, { recursive: true })
})

const found = findTensorflow()

test('it lists every optional package of package.json, with its version or the install command', async () => {
  const { peerDependencies } = createRequire(import.meta.url)('../../package.json')
  const ranges = Object.entries(optionalPackages).map(([name, [, range]]) => [name, range])
  expect(Object.fromEntries(ranges)).toEqual(peerDependencies)
  const { out } = await run('doctor')
  expect(out).toMatch(/^sharp +0\.\d+\.\d+ +pictures from files$/m)
  expect(out).toMatch(/^koffi +3\.\d+\.\d+ +tensorflow$/m)
  expect(out).toMatch(/^fast-check +4\.\d+\.\d+ +effuse\/testing$/m)
})

test.runIf(hasTensorflow)(
  `TensorFlow is there: version, kind, source, devices, and a graph that ran${tensorflowReason}`,
  async () => {
    if ('missing' in found) throw new Error(found.missing)
    const { code, out } = await run('doctor')
    expect(code).toBe(0)
    expect(out).toContain(`from ${found.source}: ${found.main}`)
    expect(out).toMatch(/^a graph ran on it: tensorflow \d+\.\d+\.\d+, \d+ (GPU|x .+), \d+ ms including loading$/m)
    const report = JSON.parse((await run('doctor', '--json')).out)
    expect(report).toMatchObject({
      tensorflow: { library: { version: found.version, kind: found.kind, source: found.source } },
      trial: { problem: null },
    })
  },
)

const driverReason = showsNvidia() ? ' (skipped: this machine has an NVIDIA driver)' : tensorflowReason
test.runIf(hasTensorflow && !showsNvidia())(
  `TensorFlow for GPUs without a driver: it runs on the CPU, and doctor says what is missing${driverReason}`,
  async () => {
    if ('missing' in found) throw new Error(found.missing)
    // Any TensorFlow library, installed as the one for GPUs.
    const version = join(folder, 'effuse', 'tensorflow', '2.21.0-gpu')
    mkdirSync(join(version, 'site-packages', 'tensorflow'), { recursive: true })
    for (const file of [found.main, found.framework])
      symlinkSync(file, join(version, 'site-packages', 'tensorflow', basename(file)))
    writeFileSync(join(version, 'setup.json'), JSON.stringify({ version: '2.21.0', kind: 'gpu', libraries: {} }))
    vi.stubEnv('XDG_CACHE_HOME', folder)
    const { out } = await run('doctor')
    expect(out).toContain(`TensorFlow 2.21.0 for NVIDIA GPUs, from setup: ${version}`)
    expect(out).toMatch(/^a graph ran on it: tensorflow \d+\.\d+\.\d+, \d+ x /m)
    expect(out).toMatch(
      /^it found no GPU, because the NVIDIA driver is missing: install it, and check that nvidia-smi works$/m,
    )

    writeFileSync(
      join(version, 'setup.json'),
      JSON.stringify({
        version: '2.21.0',
        kind: 'gpu',
        libraries: { 'site-packages/nvidia/cudnn/lib/libcudnn.so.9': 1 },
      }),
    )
    expect((await run('doctor')).out).toMatch(
      /^missing: .*libcudnn\.so\.9 is missing \(npx effuse setup tensorflow --gpu\)$/m,
    )
  },
)

test('by default, doctor() runs nothing', async () => {
  expect((await doctor()).trial).toBeNull()
})

test('without TensorFlow it names what is missing, and the command', async () => {
  vi.stubEnv('EFFUSE_TENSORFLOW', join(folder, 'nowhere'))
  const { code, out } = await run('doctor')
  expect(code).toBe(0)
  expect(out).toMatch(/^tensorflow +no +EFFUSE_TENSORFLOW is .*nowhere: there is no such folder/m)
  expect(out).toMatch(
    /^missing: EFFUSE_TENSORFLOW is .*nowhere: there is no such folder \(.*npx effuse setup tensorflow\)$/m,
  )
  expect(out).not.toContain('a graph ran on it')
})

/** A library of this machine without TensorFlow's functions: the math library, which Node itself uses. */
const otherLibrary = (): string =>
  (process.report.getReport() as { readonly sharedObjects: readonly string[] }).sharedObjects.find((file) =>
    /libm[.-]/.test(file),
  ) ?? ''

/** A library with TensorFlow's version only, from a C compiler. */
const ofVersion = (version: string, file: string): void => {
  const source = `const char *TF_Version(void) { return "${version}"; }`
  execFileSync('cc', ['-shared', '-o', file, '-x', 'c', '-'], { input: source })
}
const hasCompiler = spawnSync('cc', ['--version']).status === 0

const wrong = async (make: (main: string) => void, reason: RegExp): Promise<void> => {
  make(join(folder, 'libtensorflow_cc.so.2'))
  symlinkSync(otherLibrary(), join(folder, 'libtensorflow_framework.so.2'))
  vi.stubEnv('EFFUSE_TENSORFLOW', folder)
  vi.resetModules() // a backend that another test has opened stays open
  const { run: fresh } = await import('./command.ts')
  const { code, out } = await fresh('doctor')
  expect(code).toBe(0)
  const line = out.split('\n').find((text) => text.startsWith('a graph failed on it: ')) ?? ''
  expect(line).toMatch(
    /libtensorflow_cc\.so\.2 cannot be used as TensorFlow: .*\(set EFFUSE_TENSORFLOW .*npx effuse setup tensorflow\)$/,
  )
  expect(line).toMatch(reason)
}

test.each<[string, (main: string) => void, RegExp]>([
  ['a file that begins as one and is none', (main) => writeFileSync(main, libraryBytes()), /ELF|load/],
  ['one of something else', (main) => symlinkSync(otherLibrary(), main), /TF_Version/],
])('wrong library, %s: the graph fails with the reason and the command, and doctor continues', (_, make, reason) =>
  wrong(make, reason),
)

const compilerReason = hasCompiler ? '' : ' (skipped: no C compiler, which makes the library)'
test.runIf(hasCompiler).each([
  ['another version', '1.15.5', /it is version 1\.15\.5, and a version from 2\.9 up to the last 2\.x is needed/],
  ['one that lacks functions', '2.15.0', /Cannot find function 'TFE?_\w+'/],
] as const)(`wrong library, %s: likewise${compilerReason}`, (_, version, reason) =>
  wrong((main) => ofVersion(version, main), reason),
)
