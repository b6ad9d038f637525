/** Something in a configuration that is wrong (`error`), or that has no effect here (`warning`). */
export interface Fault {
  readonly severity: 'error' | 'warning'
  /** The file, or the option of the command line. */
  readonly source: string
  /** From 1; undefined: it stands nowhere, as a default does. */
  readonly line?: number | undefined
  /** From 1. */
  readonly column?: number | undefined
  /** The field, with dots: `ipvs.syncPeriod`. Empty: the whole. */
  readonly field: string
  readonly message: string
}

/** Where something stands. */
export type Place = Pick<Fault, 'source' | 'line' | 'column'>

/** Takes faults as they are found, so that all of them are told at once. */
export interface FaultSink {
  readonly error: (place: Place, field: string, message: string) => void
  readonly warn: (place: Place, field: string, message: string) => void
  /** Whether anything is an error. */
  readonly hasErrors: () => boolean
}

/** A sink that adds to a list. */
export function collectFaults(faults: Fault[]): FaultSink {
  const add =
    (severity: Fault['severity']) =>
    ({ source, line, column }: Place, field: string, message: string): void =>
      void faults.push({ severity, source, line, column, field, message })
  return { error: add('error'), warn: add('warning'), hasErrors: () => faults.some(({ severity }) => severity === 'error') }
}

/** One line about a fault, as compilers write it: `FILE:LINE:COLUMN: error: FIELD: …`. */
export function formatFault({ severity, source, line, column, field, message }: Fault): string {
  const place = line === undefined ? source : `${source}:${line}:${column ?? 1}`
  return `${place}: ${severity}: ${field === '' ? '' : `${field}: `}${message}`
}

/** A configuration that cannot be used. Its message has all faults, a line each. */
export class ConfigurationError extends Error {
  readonly faults: readonly Fault[]

  constructor(faults: readonly Fault[]) {
    super(faults.map(formatFault).join('\n'))
    this.name = 'ConfigurationError'
    this.faults = faults
  }
}
