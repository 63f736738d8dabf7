/** A project, a cache and programs for the test: a wheel of a few bytes, and fakes of pip, npm and node-gyp that work without a network. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { vi } from 'vitest'
import { thisSystem } from '../../src/setup/system.ts'
import type { SetupOptions } from '../../src/setup/tensorflow.ts'
import { type Done, type RunOptions, realTools, type Tools } from '../../src/setup/tools.ts'
import type { Wheel } from '../../src/setup/wheels.ts'

/** The first bytes of a library for this machine. */
export const libraryBytes = (machine = process.arch === 'arm64' ? 0xb7 : 0x3e): Buffer => {
  const head = Buffer.alloc(64)
  head.writeUInt32BE(0x7f454c46, 0)
  head.writeUInt16LE(machine, 18)
  return head
}

export interface Place {
  readonly folder: string
  readonly cache: string
  readonly project: string
  readonly wheelFile: string
  readonly wheel: Wheel
  remove(): void
}

/** Files as in TensorFlow's wheel, and one that setup must not unpack. */
const wheelProgram = `
import sys, zipfile
library, out = open(sys.argv[1], 'rb').read(), sys.argv[2]
with zipfile.ZipFile(out, 'w', zipfile.ZIP_DEFLATED) as z:
    for name in ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2']: z.writestr('tensorflow/' + name, library)
    for name in ['tensorflow/c/c_api.h', 'tensorflow/core/graph/graph.h', 'tsl/platform/ctstring.h']: z.writestr('tensorflow/include/' + name, '//')
    z.writestr('tensorflow/python/client.py', 'pass')
    z.writestr('tensorflow_cpu-9.9.9.dist-info/METADATA', 'Name: tensorflow-cpu')
    ptxas = zipfile.ZipInfo('nvidia/cuda_nvcc/bin/ptxas'); ptxas.external_attr = 0o100744 << 16
    z.writestr(ptxas, 'program')
    z.writestr('nvidia/cublas/lib/libcublas.so.12', library); z.writestr('nvidia/cublas/include/cublas.h', '//')
`

export const makePlace = (): Place => {
  const folder = mkdtempSync(join(tmpdir(), 'effuse-setup-'))
  const [project, wheelFile] = [join(folder, 'project'), join(folder, 'tensorflow_cpu-9.9.9-cp311-cp311-any.whl')]
  writePackage(project, 'koffi', '3.3.4')
  writeFileSync(join(folder, 'library'), libraryBytes())
  execFileSync('python3', ['-c', wheelProgram, join(folder, 'library'), wheelFile])
  const bytes = readFileSync(wheelFile)
  return {
    folder,
    project,
    wheelFile,
    cache: join(folder, 'cache', 'effuse', 'tensorflow'),
    wheel: {
      name: 'tensorflow-cpu',
      version: '9.9.9',
      tag: 'any',
      bytes: bytes.length,
      sha256: createHash('sha256').update(bytes).digest('hex'),
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/** For the hooks of tests: they write many files, and a disk may be busy. */
export const hookMs = 60_000

/** Creates a place that belongs to this process until it is left. */
export const enterPlace = (): Place => {
  const place = makePlace()
  vi.stubEnv('XDG_CACHE_HOME', join(place.folder, 'cache'))
  vi.stubEnv('EFFUSE_TENSORFLOW', '')
  return place
}

export const leavePlace = (place: Place): void => {
  vi.unstubAllEnvs()
  place.remove()
}

/** A package of a project, with the sources of a binding. */
export const writePackage = (project: string, name: string, version: string): string => {
  const folder = join(project, 'node_modules', name)
  mkdirSync(join(folder, 'binding'), { recursive: true })
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name, version }))
  writeFileSync(join(folder, 'binding.gyp'), '{}')
  writeFileSync(join(folder, 'binding', 'tfjs_binding.cc'), '// sources')
  return folder
}

/** The replacement of a program's call; undefined: the default behavior. */
export type Instead = (program: string, args: readonly string[], options: RunOptions) => Done | null | undefined

export interface Fakes extends Tools {
  /** The first words of each call. */
  readonly calls: string[]
}

export const fakeTools = (place: Place, instead: Instead = () => undefined): Fakes => {
  const calls: string[] = []
  const real = realTools()
  const ok: Done = { code: 0, output: '' }
  return {
    calls,
    end: () => {},
    run: async (program, args, options = {}) => {
      calls.push(callOf(program, args))
      const own = instead(program, args, options)
      if (own !== undefined) return own
      switch (callOf(program, args)) {
        case 'pip --version':
          return ok
        case 'pip download': {
          const target = args[args.indexOf('--dest') + 1] ?? ''
          copyFileSync(place.wheelFile, join(target, 'tensorflow_cpu-9.9.9-cp311-cp311-any.whl'))
          return ok
        }
        case 'npm install': {
          const [name = '', version = ''] = (args.at(-1) ?? '').split(/(?<=.)@/)
          writePackage(options.cwd ?? '', name, version)
          return ok
        }
        case 'node-gyp rebuild': {
          const file = (args.find((arg) => arg.startsWith('--module=')) ?? '').slice('--module='.length)
          mkdirSync(dirname(file), { recursive: true })
          mkdirSync(join(options.cwd ?? '', 'build'))
          // Node loads the file as a library because of its name, which fails.
          writeFileSync(file, 'not a library')
          return ok
        }
        default:
          return real.run(program, args, options)
      }
    },
  }
}

const callOf = (program: string, args: readonly string[]): string => {
  if (args[0] === '-m') return args.slice(1, 3).join(' ')
  if (args[0] === '-c') return `python ${args[2]}`
  if ((args[0] ?? '').endsWith('node-gyp.js')) return `node-gyp ${args[1]}`
  return `${program} ${args[0]}`
}

export interface Run extends SetupOptions {
  readonly tools: Fakes
  readonly said: string[]
}

export const options = (place: Place, instead?: Instead, given: Partial<SetupOptions> = {}): Run => {
  const said: string[] = []
  const tools = fakeTools(place, instead)
  return {
    version: '9.9.9',
    kind: 'cpu',
    system: thisSystem(),
    progress: { say: (line) => said.push(line), at: () => {}, stop: () => {} },
    wheels: [place.wheel],
    project: [join(place.project, 'package.json')],
    said,
    ...given,
    tools,
  }
}

/** The paths of all files and links in a folder. */
export const filesIn = (folder: string): readonly string[] =>
  existsSync(folder)
    ? readdirSync(folder, { withFileTypes: true, recursive: true })
        .filter((entry) => !entry.isDirectory())
        .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
        .sort()
    : []
