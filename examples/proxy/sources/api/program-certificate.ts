import { X509Certificate } from 'node:crypto'
import type { ProgramCertificate } from '../types.js'

/** The first certificate of a text; undefined: it is none. */
function certificateIn(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem)
  } catch {
    // TLS says what is wrong with it.
    return undefined
  }
}

/** What is to be told of a certificate that a program gave, and of the one that it replaces; both in PEM. */
export function describeCertificate(pem: string, previous: string | undefined): ProgramCertificate | undefined {
  const certificate = certificateIn(pem)
  if (certificate === undefined) return undefined
  const replaced = previous === undefined ? undefined : certificateIn(previous)
  return {
    endsAtMs: Date.parse(certificate.validTo),
    replacedAfterSeconds: replaced === undefined ? undefined : (Date.now() - Date.parse(replaced.validFrom)) / 1000
  }
}
