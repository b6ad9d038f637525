import { execFileSync } from 'node:child_process'

/** Runs openssl in a folder. */
export function openssl(folder: string, ...words: readonly string[]): void {
  execFileSync('openssl', words, { cwd: folder, stdio: 'pipe' })
}

/** A new key on a curve, without a password. */
export const CURVE = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'] as const

/** Makes `NAME.key` and `NAME.crt` in a folder, signed by itself. */
export function makeSelfSigned(folder: string, name: string, days: number): void {
  openssl(folder, 'req', '-x509', ...CURVE, '-keyout', `${name}.key`, '-out', `${name}.crt`, '-subj', `/CN=${name}`, '-days', String(days))
}
