import { extname } from 'node:path'
import { Documents } from './cut-documents.js'
import { ListItems } from './cut-json.js'
import { DocumentItems } from './cut-yaml.js'
import { Whole, type Cutter } from './cutter.js'

/** What a file is written in. */
export type Format = 'yaml' | 'json'

export function formatOf(file: string): Format {
  return extname(file) === '.json' ? 'json' : 'yaml'
}

/** Cuts a file into documents, and those that are lists into their items; and into documents alone. */
const CUTTERS: Readonly<Record<Format, { readonly items: () => Cutter; readonly documents: () => Cutter }>> = {
  yaml: { items: () => new DocumentItems(), documents: () => new Documents() },
  json: { items: () => new ListItems(), documents: () => new Whole() }
}

export function cutterFor(format: Format, into: 'items' | 'documents' = 'items'): Cutter {
  return CUTTERS[format][into]()
}
