import type { KubernetesObject } from '../kubernetes/types.js'

/** Something in a folder of manifests that could not be used; everything else was. */
export interface ManifestProblem {
  readonly file: string
  /** Position of the document in its file, from 1; 0: the file itself. */
  readonly document: number
  readonly reason: string
}

/** What a file or a folder holds. */
export interface Manifests {
  readonly objects: readonly KubernetesObject[]
  readonly problems: readonly ManifestProblem[]
}

/** What a piece of a file holds: one document, as a rule, or an item of a list. */
export interface Piece {
  readonly documents: number
  readonly objects: readonly KubernetesObject[]
  readonly problems: readonly PieceProblem[]
  /** Whether its text, or a part of it, could not be parsed. */
  readonly isBroken: boolean
}

/** What is wrong in a piece, which does not know where in its file it is: documents and lines are counted within it, from 1. */
export interface PieceProblem extends Pick<ManifestProblem, 'document' | 'reason'> {
  /** Where the parser stopped, if it did. */
  readonly position?: { readonly line: number; readonly column: number } | undefined
}

/** What a folder holds, together with what it held before. */
export interface FolderContent extends Manifests {
  /** Files whose content is not known: they cannot be read, or they have a problem and objects of an earlier reading are kept for it. */
  readonly outdated: readonly string[]
}
