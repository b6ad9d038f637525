/**
 * Errors of opening a socket to an endpoint for which no endpoint is to blame.
 */

const OWN_ERRORS: ReadonlySet<string | undefined> = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'ENOBUFS'])

/** Why a connection is refused whose socket could not be opened, in words; undefined: the error is of the endpoint, or of the way to it. */
export function ownRefusal({ code }: NodeJS.ErrnoException): string | undefined {
  return OWN_ERRORS.has(code) ? `${code}: this machine or process could not open a connection to an endpoint` : undefined
}
