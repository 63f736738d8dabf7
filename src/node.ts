/** What needs files: Node only. */
export { listImages } from './data/picture-files.ts'
export { readImage, type ReadImageOptions } from './data/read-image.ts'
export type { ResizeFilter } from './data/resample.ts'
export { digits, type LabelledBatch, type LabelledImages } from './data/digits.ts'
export { directory } from './train/directory.ts'
export { loadRecipe, recipeNames } from './recipes/load.ts'
