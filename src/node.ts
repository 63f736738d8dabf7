/** What needs files: Node only. */
export { listImages, readImage, type ReadImageOptions } from './data/read-image.ts'
