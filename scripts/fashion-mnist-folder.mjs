// node scripts/fashion-mnist-folder.mjs FOLDER [--train 60000] [--from IDX_FOLDER]: Fashion-MNIST as a folder of pictures for `effuse train`:
//   FOLDER/train/<class>/<row>.png    the first rows of the training part, in the order of its file
//   FOLDER/test/<class>/<row>.png     all 10,000 of the test part
// The data is from Debian's package dataset-fashion-mnist (MIT licence, 30 MB), which `apt-get download` fetches and which is unpacked, not installed.
// With --from it is from the four *-ubyte.gz files in a folder.
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { readIdx } from './support/idx.mjs'
import { runQuietly, StepError, say, script } from './support/step.mjs'

/** Names in the order of the labels. They are valid names of folders on every system. */
const classes = ['t-shirt', 'trouser', 'pullover', 'dress', 'coat', 'sandal', 'shirt', 'sneaker', 'bag', 'ankle-boot']
const usage = 'Usage: node scripts/fashion-mnist-folder.mjs FOLDER [--train COUNT] [--from IDX_FOLDER]'

/** @returns {{ folder: string, train: number | null, from: string | null }} null for a missing option */
const readArguments = () => {
  const { positionals, values } = parse()
  const [folder] = positionals
  if (folder === undefined || positionals.length > 1)
    throw new StepError(`One folder to write is needed, got ${positionals.length}. ${usage}`, 2)
  const train = values.train === undefined ? null : Number(values.train)
  if (train !== null && !(Number.isInteger(train) && train > 0))
    throw new StepError(`--train must be an integer of at least 1, got "${values.train}".`, 2)
  return { folder: path.resolve(folder), train, from: values.from === undefined ? null : path.resolve(values.from) }
}

const parse = () => {
  try {
    return parseArgs({ allowPositionals: true, options: { train: { type: 'string' }, from: { type: 'string' } } })
  } catch (error) {
    throw new StepError(`${error instanceof Error ? error.message : String(error)}. ${usage}`, 2)
  }
}

/** Rejects a folder that is not empty, because training would also use its other pictures. @param {string} folder */
const checkEmpty = async (folder) => {
  const found = await readdir(folder).catch((error) => {
    if (error.code === 'ENOENT') return []
    throw new StepError(`${folder} cannot be used as a folder (${error.code}).`)
  })
  if (found.length > 0)
    throw new StepError(`${folder} is not empty: it holds ${found[0]}. Name a new folder, or remove this one.`)
}

/**
 * Fetches the package, passes the folder with its files to `work`, and removes it afterwards.
 * @param {(folder: string) => Promise<void>} work
 */
const withFetched = async (work) => {
  const name = 'dataset-fashion-mnist'
  const scratch = await mkdtemp(path.join(tmpdir(), 'fashion-mnist-'))
  try {
    say(`fetching Debian's package ${name} (30 MB)`)
    await runHelper('apt-get', ['download', '--quiet', name], scratch)
    const file = (await readdir(scratch)).find((entry) => entry.endsWith('.deb')) ?? `${name}.deb`
    await runHelper('dpkg-deb', ['--extract', file, 'unpacked'], scratch)
    await work(path.join(scratch, 'unpacked/usr/share/datasets/fashion-mnist'))
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

/** @param {string} program @param {readonly string[]} args @param {string} cwd */
const runHelper = async (program, args, cwd) => {
  const done = await runQuietly(program, args, cwd)
  if (done?.code === 0) return
  const command = `${program} ${args.join(' ')}`
  const otherWay = 'Elsewhere, fetch the four files of the data set (*-ubyte.gz) and name their folder: --from FOLDER.'
  throw new StepError(
    done === null
      ? `${program} was not found; Debian and Ubuntu have it. ${otherWay}`
      : `\`${command}\` ended with code ${done.code} and said "${done.output.trim().split('\n').at(-1)}". \`apt-get update\` renews the list of packages. ${otherWay}`,
  )
}

const loadSharp = async () => {
  try {
    return (await import('sharp')).default
  } catch {
    throw new StepError('The package sharp, which writes the pictures, is not installed. Run `npm ci`.')
  }
}

/**
 * Writes one part of the data set as pictures.
 * @param {string} source folder of the idx files @param {'train' | 't10k'} part @param {string} target @param {number | null} count all without it
 */
const writePart = async (source, part, target, count) => {
  const images = await readIdx(path.join(source, `${part}-images-idx3-ubyte.gz`), 3)
  const labels = await readIdx(path.join(source, `${part}-labels-idx1-ubyte.gz`), 1)
  const [length = 0, height = 0, width = 0] = images.shape
  if (labels.data.length !== length)
    throw new StepError(`${source} has ${length} pictures and ${labels.data.length} labels of the part ${part}.`)
  const wanted = count ?? length
  if (wanted > length) throw new StepError(`--train ${wanted} is more than the ${length} pictures that there are.`, 2)
  const sharp = await loadSharp()
  for (const name of classes) await mkdir(path.join(target, name), { recursive: true })
  const write = async (/** @type {number} */ row) => {
    const name = classes[labels.data[row] ?? -1]
    if (name === undefined)
      throw new StepError(`${source} has the label ${labels.data[row]} in ${part}; 0 to 9 are known.`)
    const pixels = images.data.subarray(row * width * height, (row + 1) * width * height)
    const file = path.join(target, name, `${String(row).padStart(5, '0')}.png`)
    await sharp(pixels, { raw: { width, height, channels: 1 } })
      .toColourspace('b-w')
      .png()
      .toFile(file)
  }
  const atOnce = 64
  for (let row = 0; row < wanted; row += atOnce)
    await Promise.all(Array.from({ length: Math.min(atOnce, wanted - row) }, (_, i) => write(row + i)))
  say(`${target}: ${wanted} pictures of ${classes.length} classes`)
}

await script(async () => {
  const { folder, train, from } = readArguments()
  await checkEmpty(folder)
  const write = async (/** @type {string} */ source) => {
    await writePart(source, 'train', path.join(folder, 'train'), train)
    await writePart(source, 't10k', path.join(folder, 'test'), null)
  }
  await (from === null ? withFetched(write) : write(from))
})
