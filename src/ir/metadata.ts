/** What a model wants written beside its weights, so that a file of weights needs no `--model`. */
import type { Model } from './model.ts'

const known = new WeakMap<Model, { readonly [key: string]: string }>()

/** Remembers the metadata of a declaration; models/ does so for its own, and what is made of a model hands them on. Gives the model back. */
export const withMetadata = <M extends Model>(model: M, metadata: { readonly [key: string]: string }): M => {
  known.set(model, metadata)
  return model
}

/** Empty for models that say nothing. */
export const modelMetadata = (model: Model): { readonly [key: string]: string } => known.get(model) ?? {}
