/** `navigator.gpu`, in pages and where a program made it in Node. */
export const navigatorGpu = (): object | undefined =>
  (globalThis as { readonly navigator?: { readonly gpu?: object } }).navigator?.gpu
