/** Where a builder adds nodes: at which path, inside which layer, on behalf of whom. */
import { callSiteOf, captureSite } from './call-site.ts'
import { EffuseError } from './diagnostics.ts'
import { OpEmitter } from './emitter.ts'
import type { Node, NodeId } from './types.ts'

interface Place {
  /** `blocks.3/se`. */
  readonly path: string
  /** In a body: the nodes of the graph around the region that new nodes stand for. */
  readonly from: readonly NodeId[]
  /** Inside a part that may use the variables of another. */
  readonly isSharing: boolean
  /** The call of the user that the nodes come from, where many come from one. */
  readonly site: Error | null
}

export abstract class PlacedEmitter extends OpEmitter {
  #place: Place = { path: '', from: [], isSharing: false, site: null }
  readonly #layers = new Map<string, { readonly kind: string; readonly site: Error }>()

  get path(): string {
    return this.#place.path
  }

  protected get from(): readonly NodeId[] {
    return this.#place.from
  }

  protected callSite(): Error {
    return this.#place.site ?? captureSite()
  }

  #at<T>(change: Partial<Place>, body: () => T): T {
    const outer = this.#place
    this.#place = { ...outer, ...change }
    try {
      return body()
    } finally {
      this.#place = outer
    }
  }

  /** Everything that `body` builds gets `path` in front of its own. */
  scope<T>(path: string, body: () => T): T {
    return this.#at({ path: joinPath(this.path, path) }, body)
  }

  /** Builds with an absolute path. */
  scopeAt<T>(path: string, body: () => T): T {
    return this.#at({ path }, body)
  }

  /**
   * Everything that `body` builds comes from one call of the user. The stack is captured once for all of it: to capture it for each
   * node is most of the time that building a network takes. `body` must call no function of the user: an error there would name the wrong line.
   */
  fromOneCall<T>(body: () => T): T {
    return this.#at({ site: this.callSite() }, body)
  }

  /** In a body: what `build` adds stands for these nodes of the graph around the region, at the path of the first. */
  onBehalfOf<T>(nodes: readonly Node[], build: () => T): T {
    return this.#at({ from: nodes.map(({ id }) => id), path: nodes[0]?.path ?? this.path }, build)
  }

  /**
   * A part that makes variables, `nn.conv2d` say: a scope whose name nothing else has, since two of one name would be one. With `share`,
   * and inside a part that was asked for with it, a part of the same kind is used again.
   *
   * @throws EffuseError EF107
   */
  part<T>(kind: string, name: string, share: boolean, body: () => T): T {
    const path = joinPath(this.path, name)
    const isSharing = share || this.#place.isSharing
    const taken = this.#layers.get(path)
    if (taken !== undefined && !(isSharing && taken.kind === kind)) throw nameTaken(path, kind, taken)
    if (taken === undefined) this.#layers.set(path, { kind, site: this.callSite() })
    return this.#at({ isSharing, path }, body)
  }
}

const nameTaken = (path: string, kind: string, taken: { readonly kind: string; readonly site: Error }): EffuseError => {
  const site = callSiteOf(taken.site)
  return new EffuseError({
    code: 'EF107',
    path,
    message: `the name "${path}" is taken by ${taken.kind}${site === null ? '' : ` at ${site}`}, now ${kind} asks for it`,
    hint:
      taken.kind === kind
        ? 'give it another name; share: true uses the same variables again, on purpose'
        : 'give one of them another name',
  })
}

/** 'a' and 'b' -> 'a/b'; empty parts vanish. */
export const joinPath = (outer: string, inner: string): string =>
  outer === '' ? inner : inner === '' ? outer : `${outer}/${inner}`
