/**
 * Web types that public declarations use. Projects with the DOM library or with Node's types have them; for other projects this file defines the
 * members that effuse needs.
 */
type OfGlobal<Name extends string, Least> = typeof globalThis extends {
  readonly [K in Name]: { readonly prototype: infer T }
}
  ? T
  : Least

export type WebAbortSignal = OfGlobal<'AbortSignal', { readonly aborted: boolean }>
export type WebBlob = OfGlobal<'Blob', { arrayBuffer(): Promise<ArrayBuffer> }>
export type WebResponse = OfGlobal<'Response', { readonly ok: boolean; arrayBuffer(): Promise<ArrayBuffer> }>
export type WebUrl = OfGlobal<'URL', { readonly href: string }>
