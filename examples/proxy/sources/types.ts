import type { ManifestProblem } from '../manifests/types.js'
import type { KubernetesObject } from '../kubernetes/types.js'

/** One object that is new, has changed, or is gone. */
export interface ObjectChange {
  /** Kind, namespace and name of the object: what `describeObject` gives. */
  readonly key: string
  /** The object as it is now, pruned to what a proxy reads; undefined where it is gone. */
  readonly object: KubernetesObject | undefined
}

/** Requests of one method to an API server that were answered alike: by a status, or `<error>` where there was no answer. */
export interface RequestCount {
  readonly code: string
  readonly host: string
  readonly method: string
  readonly count: number
}

/** What one request to an API server took: all of its time, that in which it waited for its turn (of watches, too), and the bytes of what was sent, and of the answer once it is unpacked. */
export interface RequestMeasure {
  readonly what: 'durationSeconds' | 'waitSeconds' | 'sentBytes' | 'receivedBytes'
  readonly verb: string
  readonly host: string
  readonly value: number
}

/** A certificate for this client that a program gave. */
export interface ProgramCertificate {
  /** Milliseconds since 1970. */
  readonly endsAtMs: number
  /** How many seconds the one before had been valid, from its beginning until now; undefined: there was none. */
  readonly replacedAfterSeconds: number | undefined
}

/** What a source knows of itself. */
export interface SourceStatus {
  /** What the source is called in `/healthz` and in the log. */
  readonly name: string
  /** Whether everything that the source has was told once. It stays true. */
  readonly hasSynced: boolean
  /** Whether what was told is all that the source has, with nothing in it that could not be understood. */
  readonly isUnderstood: boolean
  /** Whether the ranges out of which Services get addresses were told, as far as there are any. */
  readonly knowsRanges: boolean
  /** Documents and objects that could not be used. */
  readonly problems: readonly ManifestProblem[]
  /** Parts of the source for which an earlier content stands in. */
  readonly outdated: readonly string[]
  /** Why the source cannot be read at the moment. The objects that were told stay as they are. */
  readonly error: Error | undefined
  /** Whether `error` makes the proxy unhealthy. An API server that is away is away for all nodes, and load balancers must not leave all of them. */
  readonly isNeeded: boolean
  /** What was asked of an API server since the start. */
  readonly requests: readonly RequestCount[]
}

/** Something that those who look at an object should know of it. */
export interface ObjectNotice {
  /** Whether it takes somebody to do something. */
  readonly type: 'Normal' | 'Warning'
  /** Why, in one word that programs look for. */
  readonly reason: string
  /** What was being done, in one word. */
  readonly action: string
  readonly object: KubernetesObject
  /** Sentences for people. */
  readonly note: string
}

/** What a source tells. */
export interface SourceListener {
  /** Changes that belong together, or news of the status alone: then the list is empty. A key may stand in it several times; the last one counts. */
  readonly told: (changes: readonly ObjectChange[]) => void
  /** The source cannot be read. It tries again by itself. */
  readonly failed: (error: Error) => void
  /** An object cannot be used, and why; told each time that it comes in a new version. Only a source to which things can be reported tells it. */
  readonly malformed?: (object: KubernetesObject, problem: string) => void
  /** A request to an API server was made. */
  readonly measured?: (measure: RequestMeasure) => void
  /** A program gave a certificate for requests to an API server. */
  readonly certified?: (certificate: ProgramCertificate) => void
  /** What was reported does not arrive. Told once while it lasts. */
  readonly unreported?: (error: Error) => void
}

/** Where Kubernetes objects come from: a folder of manifests, or one kind of objects of an API server. */
export interface ObjectSource {
  readonly status: SourceStatus
  /**
   * Looks whether the source can be read at all. Nothing is told yet.
   *
   * @throws It cannot: a folder does not exist. An API server that is away may come.
   */
  open(): void
  /** Begins to tell. Resolves when the source has begun: a folder was read once; an API server may not have answered yet. */
  start(listener: SourceListener): Promise<void>
  /** Tells those who look at an object where it comes from; the same thing may be told again and again. Absent: nobody looks there. */
  report?(notice: ObjectNotice): void
  /** Ends: nothing is told any more. */
  close(): Promise<void>
}
