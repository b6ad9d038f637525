import { readFile } from 'node:fs/promises'
import { isAbsolute, resolve } from 'node:path'
import { ValidationError } from 'netplane'
import { isObject } from '../../kubernetes/shape.js'

/** The fields of an object in a kubeconfig, read with the checks that each needs. Secrets stand in no message. */
export class Fields {
  readonly #values: Readonly<Record<string, unknown>>
  readonly #path: string
  readonly #folder: string

  /**
   * @param path Name of the object in messages.
   * @param folder What relative paths are relative to.
   * @throws {ValidationError} It is no object.
   */
  constructor(value: unknown, path: string, folder: string) {
    if (value !== undefined && value !== null && !isObject(value)) throw new ValidationError(path, typeof value, 'an object')
    this.#values = value ?? {}
    this.#path = path
    this.#folder = folder
  }

  /** Name of a field in messages. */
  pathOf(field: string): string {
    return `${this.#path}.${field}`
  }

  has(field: string): boolean {
    const value = this.#values[field]
    return value !== undefined && value !== null && value !== ''
  }

  /** Undefined where it is absent or empty. @throws {ValidationError} It is no text. */
  text(field: string): string | undefined {
    if (!this.has(field)) return undefined
    const value = this.#values[field]
    // The value may be a secret that was written without quotes.
    if (typeof value !== 'string') throw new ValidationError(this.pathOf(field), typeof value, 'a text')
    return value
  }

  flag(field: string): boolean {
    const value = this.#values[field]
    if (value !== undefined && value !== null && typeof value !== 'boolean')
      throw new ValidationError(this.pathOf(field), typeof value, 'true or false')
    return value === true
  }

  texts(field: string): string[] {
    const value = this.#values[field] ?? []
    if (!Array.isArray(value) || value.some((entry) => typeof entry !== 'string'))
      throw new ValidationError(this.pathOf(field), typeof value, 'a list of texts')
    return value as string[]
  }

  object(field: string): Fields {
    return new Fields(this.#values[field], this.pathOf(field), this.#folder)
  }

  raw(field: string): unknown {
    return this.#values[field]
  }

  keys(): string[] {
    return Object.keys(this.#values)
  }

  /** A path that a field has, from the folder of the kubeconfig. */
  file(field: string): string | undefined {
    const path = this.text(field)
    return path === undefined || isAbsolute(path) ? path : resolve(this.#folder, path)
  }

  /** A text that stands in `FIELD-data` in base64, which comes first, or in the file that `FIELD` names: a file is read with each call. */
  content(field: string): () => Promise<string | undefined> {
    const data = this.text(`${field}-data`)
    if (data !== undefined) {
      const text = Buffer.from(data, 'base64').toString('utf8')
      return () => Promise.resolve(text)
    }
    const file = this.file(field)
    return file === undefined ? () => Promise.resolve(undefined) : async () => await readFile(file, 'utf8')
  }
}

const SCHEMES: Readonly<Record<'server' | 'proxy', readonly string[]>> = { server: ['https:', 'http:'], proxy: ['http:', 'https:'] }

/** A URL of a server or of a proxy. @throws {ValidationError} */
export function parseUrl(path: string, value: string, of: 'server' | 'proxy'): URL {
  const allowed = `a URL of ${SCHEMES[of].map((scheme) => scheme.slice(0, -1)).join(' or ')}`
  // client-go takes a host without a scheme for one of http.
  const text = /^[a-z][a-z0-9+.-]*:\/\//i.test(value) ? value : `http://${value}`
  if (!URL.canParse(text)) throw new ValidationError(path, value, allowed)
  const url = new URL(text)
  // A proxy's URL may have a password.
  if (!SCHEMES[of].includes(url.protocol)) throw new ValidationError(path, url.protocol, allowed)
  return url
}
