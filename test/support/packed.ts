/** effuse as users get it: built, packed by npm, and unpacked into a new project with its dependencies and the requested peers. */
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

export interface PackedOptions {
  /** With declarations, which take some time. */
  readonly declarations?: boolean
  /** With source maps, which the package does not have. */
  readonly maps?: boolean
  /** Packages in addition to effuse's dependencies. */
  readonly peers?: readonly string[]
}

export interface Packed {
  /** The project's folder. effuse is in its node_modules. */
  readonly folder: string
  /** The file that npm would publish. */
  readonly tarball: string
  /** The warnings of the build. */
  readonly warnings: string
  remove(): void
}

export const packed = ({ declarations = false, maps = false, peers = [] }: PackedOptions = {}): Packed => {
  // Call sites may contain spaces.
  const folder = mkdtempSync(join(tmpdir(), 'effuse packed-'))
  const staging = join(folder, 'staging')
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    readonly files: readonly string[]
    readonly dependencies: { readonly [name: string]: string }
  }
  const tsdown = [join(root, 'node_modules/tsdown/dist/run.mjs'), '--out-dir', join(staging, 'dist')]
  const built = spawnSync(
    process.execPath,
    [...tsdown, '--log-level', 'warn', ...(declarations ? [] : ['--no-dts']), ...(maps ? ['--sourcemap'] : [])],
    { cwd: root, encoding: 'utf8' }, // the build configuration names its entries relative to it
  )
  const warnings = `${built.stdout}${built.stderr}`
  if (built.status !== 0) throw new Error(`the build failed:\n${warnings}`)
  for (const name of ['package.json', 'README.md', 'LICENSE', ...manifest.files])
    if (name !== 'dist' && existsSync(join(root, name)))
      cpSync(join(root, name), join(staging, name), { recursive: true })
  const pack = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder]
  const [made] = JSON.parse(execFileSync('npm', pack, { cwd: staging, encoding: 'utf8', stdio: 'pipe' }))
  const tarball = join(folder, made.filename)
  rmSync(staging, { recursive: true })
  const modules = join(folder, 'node_modules')
  mkdirSync(join(modules, 'effuse'), { recursive: true })
  execFileSync('tar', ['-xzf', tarball, '--strip-components=1', '-C', join(modules, 'effuse')])
  for (const name of [...Object.keys(manifest.dependencies), ...peers]) {
    mkdirSync(dirname(join(modules, name)), { recursive: true })
    symlinkSync(join(root, 'node_modules', name), join(modules, name))
  }
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  return { folder, tarball, warnings, remove: () => rmSync(folder, { recursive: true, force: true }) }
}
