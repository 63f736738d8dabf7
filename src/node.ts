/** What needs files: Node only. */
export { listImages, readImage, type ReadImageOptions } from './data/read-image.ts'
export { digits, type LabelledImages } from './data/digits.ts'
export { directory } from './train/directory.ts'
export { loadRecipe, recipeNames } from './recipes/load.ts'
