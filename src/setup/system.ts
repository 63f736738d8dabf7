/** The facts about this machine that setup needs. Tests use other machines. */
import { EffuseError } from '../ir/diagnostics.ts'

export interface System {
  readonly platform: NodeJS.Platform
  readonly arch: string
  /** The version of glibc; null on systems other than Linux, and on Linux with another C library (such as musl of Alpine). */
  readonly glibc: string | null
  /** The version of Node's binary interface. A binding for one version does not run on another. */
  readonly nodeAbi: string
}

export const thisSystem = (): System => {
  // Without this setting the report looks up the names of all hosts that the process is connected to. Node 20 does not have the setting.
  if (process.report !== undefined) Object.assign(process.report, { excludeNetwork: true })
  const { header } = (process.report?.getReport() ?? {}) as {
    readonly header?: { readonly glibcVersionRuntime?: string }
  } // Node's own types say `object`
  return {
    platform: process.platform,
    arch: process.arch,
    glibc: header?.glibcVersionRuntime ?? null,
    nodeAbi: process.versions.modules,
  }
}

const glibcLeast = [2, 27] as const

/** @throws EffuseError EF404 for a platform without a library; it names the platform and an alternative. */
export const checkSystem = ({ platform, arch, glibc }: System): void => {
  const refuse = (what: string, hint: string): EffuseError =>
    new EffuseError({
      code: 'EF404',
      message: `TensorFlow has no library for ${what}: Linux (x64, arm64) with glibc ${glibcLeast.join('.')} or later and macOS on Apple silicon have one`,
      hint,
    })
  if (platform === 'win32')
    throw refuse('Windows', 'use WSL2: wsl --install, then npm install and npx effuse setup tensorflow in its Linux')
  if (platform === 'darwin' && arch !== 'arm64')
    throw refuse('macOS on Intel processors', 'use a Linux container, or --backend tfjs-wasm')
  if (platform !== 'linux' && platform !== 'darwin') throw refuse(`${platform} ${arch}`, 'use --backend tfjs-wasm')
  if (arch !== 'x64' && arch !== 'arm64') throw refuse(`${platform} ${arch}`, 'use --backend tfjs-wasm')
  if (platform === 'darwin') return
  if (glibc === null)
    throw refuse(
      'Linux without glibc (Alpine and other systems with musl)',
      'use an image with glibc: node:22-bookworm-slim instead of node:22-alpine',
    )
  const [major = 0, minor = 0] = glibc.split('.').map(Number)
  if (major < glibcLeast[0] || (major === glibcLeast[0] && minor < glibcLeast[1]))
    throw refuse(`Linux with glibc ${glibc}`, 'use a newer system: Debian 10, Ubuntu 18.10, RHEL 8 or later')
}
