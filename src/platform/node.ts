/** The platform of Node: files, environment, clock. The one of browsers is browser.ts. */
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { type FileHandle, open, readdir, realpath, rename, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { EffuseError } from '../ir/diagnostics.ts'
import { fileError, systemCode } from './node-file-error.ts'
import { checkRegular, openToRead, withFile } from './node-regular-file.ts'
import type { Platform } from './platform.ts'

export { allowRelaxedSimd, canShareMemory, compileWasm, coreCount, startThread } from './node-threads.ts'
export { findGpu, mayHaveGpu, provideWebgpu } from './node-webgpu.ts'

/** A system call can read or write only less than 2 GiB. */
const chunkBytes = 1 << 30

export const readFile: Platform['readFile'] = async (path) => {
  const file = pathOf(path, 'read')
  let handle: FileHandle | undefined
  try {
    const opened = await openToRead(file)
    handle = opened.handle
    const bytes = new Uint8Array(opened.size)
    let filled = 0
    while (filled < bytes.length) {
      const { bytesRead } = await handle.read(bytes, filled, Math.min(chunkBytes, bytes.length - filled), null)
      if (bytesRead === 0)
        throw new EffuseError({
          code: 'EF501',
          message: `cannot read ${file}: it had ${bytes.length} bytes when it was opened and ended after ${filled}`,
          hint: 'another program is writing it: try again when that is done',
        })
      filled += bytesRead
    }
    return bytes
  } catch (error) {
    throw fileError(error, file, 'read')
  } finally {
    await handle?.close()
  }
}

export const folderNames: Platform['folderNames'] = async (path) => {
  try {
    return await readdir(path)
  } catch (error) {
    // Other errors are reported when the path is read.
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) return null
    throw fileError(error, path, 'read')
  }
}

export const writeFileAtomic: Platform['writeFileAtomic'] = async (path, bytes) => {
  const given = pathOf(path, 'write')
  try {
    const { file, mode } = await target(given)
    const temporary = join(
      dirname(file),
      `.${basename(file).slice(0, 100)}.${process.pid}.${randomBytes(6).toString('hex')}.tmp`,
    )
    try {
      await writeNew(temporary, bytes, mode)
      await rename(temporary, file)
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => undefined) // report the first error, not this one
      throw error
    }
    await flushFolder(dirname(file))
  } catch (error) {
    throw fileError(error, given, 'write')
  }
}

/** The file that a rename would replace, after symbolic links, and its permissions. */
const target = async (given: string): Promise<{ readonly file: string; readonly mode: number | null }> => {
  try {
    const file = await realpath(given)
    const status = await stat(file)
    // Rejects devices, which a rename would replace.
    checkRegular(status, given, 'write')
    return { file, mode: status.mode & 0o777 }
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return { file: given, mode: null }
    throw error
  }
}

const writeNew = async (temporary: string, bytes: Uint8Array, mode: number | null): Promise<void> => {
  const handle = await open(temporary, 'wx', 0o666)
  try {
    if (mode !== null) await handle.chmod(mode)
    let written = 0
    while (written < bytes.length)
      written += (await handle.write(bytes, written, Math.min(chunkBytes, bytes.length - written), null)).bytesWritten
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Makes the new name durable if the power fails. Not every system can; the file itself is complete in any case. */
const flushFolder = async (folder: string): Promise<void> => {
  const handle = await open(folder, 'r').catch(() => null)
  await handle?.sync().catch(() => undefined)
  await handle?.close()
}

const pathOf = (path: string | URL, verb: 'read' | 'write'): string => {
  if (typeof path === 'string' && path !== '' && !path.includes('\0')) return path
  try {
    if (path instanceof URL) return fileURLToPath(path)
  } catch {
    // A URL of another protocol; the error below reports it.
  }
  throw new EffuseError({
    code: 'EF501',
    message: `cannot ${verb} ${JSON.stringify(String(path))}: expected a path or a file: URL`,
    hint: path instanceof URL && verb === 'read' ? 'fetch it and pass the Response' : undefined,
  })
}

export const saveTemporaryText: Platform['saveTemporaryText'] = (fileName, text) => {
  try {
    // A new folder, so that no other process can have created a link in it.
    const path = join(mkdtempSync(join(tmpdir(), 'effuse-')), basename(fileName))
    writeFileSync(path, text, { flag: 'wx' })
    return path
  } catch {
    return null
  }
}

export const saveText: Platform['saveText'] = (folder, fileName, text) => {
  const path = join(folder, basename(fileName))
  try {
    mkdirSync(folder, { recursive: true })
    withFile(path, 'replace', (descriptor) => writeFileSync(descriptor, text))
  } catch (error) {
    throw fileError(error, path, 'write')
  }
}

export const environment: Platform['environment'] = (name) => process.env[name]

export const now: Platform['now'] = () => performance.now()

export const nextTurn: Platform['nextTurn'] = () => new Promise((resolve) => setImmediate(resolve))

/** The bar's package is loaded only on demand. */
export const progressOutput: Platform['progressOutput'] = async () => {
  const { makeProgressBar, stepsFormat, terminal } = await import('./node-progress-bar.ts')
  const stream = terminal()
  return {
    say: (line) => process.stderr.write(`${line}\n`),
    bar: stream === undefined ? null : makeProgressBar(stream, { format: stepsFormat, hideCursor: false }),
  }
}

export const importOptional: Platform['importOptional'] = (name) => import(name)
