/**
 * Types of the web that public declarations name. Projects with the DOM library or Node's types have them; for others, whose compiler would
 * not know the names, their least stands here.
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
