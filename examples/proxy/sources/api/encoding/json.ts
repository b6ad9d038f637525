import { prune } from '../../../kubernetes/prune.js'
import { isObject } from '../../../kubernetes/shape.js'
import type { KubernetesObject } from '../../../kubernetes/types.js'
import { LostError } from '../errors.js'
import { Lines } from './lines.js'
import { ListText } from './list-text.js'
import type { EventReader, ListReader, WatchEvent } from './types.js'

/** Reads a list of one kind in JSON while it comes. */
export class JsonList implements ListReader {
  readonly #kind: KubernetesObject['kind']
  readonly #text = new ListText()

  constructor(kind: KubernetesObject['kind']) {
    this.#kind = kind
  }

  add(piece: Buffer): readonly unknown[] {
    return this.#pruned(this.#text.add(piece))
  }

  end(): unknown {
    const list = parse('a list', () => this.#text.end())
    const items = isObject(list) ? list['items'] : undefined
    return Array.isArray(items) ? { ...(list as object), items: this.#pruned(items) } : list
  }

  #pruned(items: readonly unknown[]): unknown[] {
    return items.map((item) => prune(item, this.#kind))
  }
}

/** Reads events of a watch of one kind in JSON, of which each is a line. */
export class JsonEvents implements EventReader {
  readonly #kind: KubernetesObject['kind']
  readonly #lines = new Lines()

  constructor(kind: KubernetesObject['kind']) {
    this.#kind = kind
  }

  *add(piece: Buffer): Iterable<WatchEvent> {
    for (const line of this.#lines.add(piece)) {
      const event = parse('an event', () => JSON.parse(line) as unknown)
      const { type, object } = isObject(event) ? event : {}
      yield { type, object: type === 'ERROR' ? object : prune(object, this.#kind) }
    }
  }
}

function parse<T>(what: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw new LostError(`${what} is no JSON: ${(error as Error).message}`)
  }
}
