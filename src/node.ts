/** The entry for functions that need files, in Node only. */
export { listImages } from './data/picture-files.ts'
export { readImage, type ReadImageOptions } from './data/read-image.ts'
export type { ResizeFilter } from './pixels/resample.ts'
export { digits, type LabelledImages } from './data/digits.ts'
export { imageFolder, type ImageFolder, testFolder } from './data/image-folder.ts'
export type { Augment, ImageFolderOptions } from './data/image-folder-options.ts'
export type { FolderCrop } from './pixels/box.ts'
export type { ImageFolderSource } from './data/folder-source.ts'
export type { LabelledBatch, LabelledRequest } from './data/request.ts'
export type { Colours, Picture } from './data/picture.ts'
export type { Draws } from './data/draws.ts'
export { directory } from './train/directory.ts'
export { tensorBoard, type TensorBoardSink } from './train/tensor-board.ts'
export { loadRecipe, recipeNames } from './recipes/load.ts'
export {
  exportSavedModel,
  type ExportSavedModelOptions,
  type SavedModelReport,
  type SavedModelSignature,
} from './export/savedmodel/export-saved-model.ts'
