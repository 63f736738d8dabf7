/** The place where a builder adds nodes: the path, the layer, and the nodes that new ones stand for. */
import { callSiteOf, captureSite } from './call-site.ts'
import { EffuseError } from './diagnostics.ts'
import { OpEmitter } from './emitter.ts'
import type { Node, NodeId } from './types.ts'

interface Place {
  /** `blocks.3/se`. */
  readonly path: string
  /** In a body: the nodes of the graph around the region that new nodes stand for. */
  readonly from: readonly NodeId[]
  /** Whether the place is in a part that may reuse the variables of another. */
  readonly isSharing: boolean
  /** The user's call that creates the nodes, if one call creates many. */
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

  /** Puts `path` before the path of everything that `body` builds. */
  scope<T>(path: string, body: () => T): T {
    return this.#at({ path: joinPath(this.path, path) }, body)
  }

  /** Builds with an absolute path. */
  scopeAt<T>(path: string, body: () => T): T {
    return this.#at({ path }, body)
  }

  /**
   * Builds many nodes for one call of the user, and captures the stack once. Capturing it for each node would take most of the time of building a
   * network. `body` must not call functions of the user: errors in them would name the wrong line.
   */
  fromOneCall<T>(body: () => T): T {
    return this.#at({ site: this.callSite() }, body)
  }

  /** In a body: the nodes that `build` adds stand for these nodes of the graph around the region, and get the path of the first. */
  onBehalfOf<T>(nodes: readonly Node[], build: () => T): T {
    return this.#at({ from: nodes.map(({ id }) => id), path: nodes[0]?.path ?? this.path }, build)
  }

  /**
   * Builds a part that makes variables, for example `nn.conv2d`, in a scope. Its name must be unique, because two parts of one name would share their
   * variables. With `share`, and inside a part with `share`, the name of an earlier part of the same kind is allowed, and shares its variables.
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
    message: `the name "${path}" is taken by ${taken.kind}${site === null ? '' : ` at ${site}`}, and is used again for ${kind}`,
    hint:
      taken.kind === kind
        ? 'give it another name, or reuse the variables with share: true'
        : 'give one of them another name',
  })
}

/** 'a' and 'b' -> 'a/b'; skips empty parts. */
export const joinPath = (outer: string, inner: string): string =>
  outer === '' ? inner : inner === '' ? outer : `${outer}/${inner}`
