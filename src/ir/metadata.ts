/** The metadata that describes a model in a file of its weights, so that the file can be opened without `--model`. */
import type { Model } from './model.ts'

const known = new WeakMap<Model, { readonly [key: string]: string }>()

/** Attaches metadata to a declaration and returns it. src/models does so for its models; models made from others pass the metadata on. */
export const withMetadata = <M extends Model>(model: M, metadata: { readonly [key: string]: string }): M => {
  known.set(model, metadata)
  return model
}

/** The metadata of a model; empty if it has none. */
export const modelMetadata = (model: Model): { readonly [key: string]: string } => known.get(model) ?? {}
