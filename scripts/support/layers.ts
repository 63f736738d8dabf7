/** The layers of src with their allowed imports, and their picture in ARCHITECTURE.md. */

/** The layers, bottom first, and what each may import besides itself. Another table below is for packages. */
export const layers = {
  ir: { files: ['src/ir/'], imports: [] },
  passes: { files: ['src/passes/'], imports: ['ir'] },
  // What differs between Node and browsers: files, environment, hashes.
  platform: { files: ['src/platform/'], imports: ['ir'] },
  // File formats: bytes to tensors and back.
  io: { files: ['src/io/'], imports: ['ir', 'platform', 'pixels'] },
  // Pictures as arrays.
  pixels: { files: ['src/pixels/'], imports: ['ir'] },
  backends: { files: ['src/backends/'], imports: ['ir', 'passes', 'platform'] },
  // What benchmarks compare effuse with. Only the file for ONNX Runtime is made by effuse's passes.
  peers: { files: ['src/peers/'], imports: ['ir', 'passes', 'platform', 'io', 'backends', 'compile', 'export'] },
  compile: { files: ['src/compile.ts', 'src/executable/'], imports: ['ir', 'passes', 'platform', 'io', 'backends'] },
  // Files for other tools.
  export: { files: ['src/export/'], imports: ['ir', 'passes', 'platform', 'backends', 'compile'] },
  // Layers beside one another that use the compiler.
  models: { files: ['src/models/'], imports: ['ir', 'platform', 'io', 'pixels', 'compile'] },
  train: { files: ['src/train/'], imports: ['ir', 'passes', 'platform', 'io', 'pixels', 'backends', 'compile'] },
  // Data sources for the training loop. They use the types of its requests, not the loop itself.
  data: { files: ['src/data/'], imports: ['ir', 'platform', 'io', 'pixels', 'train'] },
  // Whole runs as plain data, put together from models and the loop.
  recipes: {
    files: ['src/recipes/'],
    imports: ['ir', 'passes', 'platform', 'io', 'pixels', 'backends', 'compile', 'models', 'train'],
  },
  // Installs what effuse uses and npm does not bring.
  setup: { files: ['src/setup/'], imports: ['ir', 'platform', 'backends'] },
  inspect: { files: ['src/inspect/'], imports: ['ir', 'passes', 'platform', 'io', 'backends', 'peers', 'compile'] },
  testing: { files: ['src/testing/'], imports: ['ir', 'passes', 'platform', 'backends', 'compile'] },
  // The public names only: the targets of package.json's exports.
  entries: { files: ['src/index.ts', 'src/node.ts', 'src/compiler.ts'], imports: 'all' },
  cli: { files: ['src/cli/'], imports: 'all' },
} as const satisfies Record<string, { readonly files: readonly string[]; readonly imports: readonly string[] | 'all' }>

/** The height of a layer: the longest chain of layers below it. */
const heightOf = (name: keyof typeof layers): number => {
  const below: readonly (keyof typeof layers)[] =
    layers[name].imports === 'all' ? names.filter((other) => layers[other].imports !== 'all') : layers[name].imports
  return 1 + Math.max(-1, ...below.map(heightOf))
}
const names = Object.keys(layers) as (keyof typeof layers)[] // Object.keys does not keep the keys' type

/** A row for each height, the top first. `npm run docs` writes it into ARCHITECTURE.md. */
export const layersPicture = (): string => {
  const top = Math.max(...names.map(heightOf))
  const row = (_: unknown, i: number): string => names.filter((name) => heightOf(name) === top - i).join('   ')
  return ['```', ...Array.from({ length: top + 1 }, row), '```', ''].join('\n')
}

/** ARCHITECTURE.md with the present picture. */
export const withPicture = (page: string): string =>
  page.replace(/(<!-- layers.* -->\n)```\n[^`]*```\n/, (_, mark: string) => `${mark}${layersPicture()}`)
