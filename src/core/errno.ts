/**
 * Errnos, positive as the kernel counts them (include/uapi/asm-generic/errno-base.h, errno.h).
 */
import { getSystemErrorName } from 'node:util'

export const EPERM = 1
export const ENOENT = 2
export const ESRCH = 3
export const EINTR = 4
export const EBADF = 9
export const ENOMEM = 12
export const EACCES = 13
export const EBUSY = 16
export const EEXIST = 17
export const ENODEV = 19
export const EINVAL = 22
export const ENFILE = 23
export const EMFILE = 24
export const EMLINK = 31
export const ETIME = 62
export const ERESTART = 85
export const EMSGSIZE = 90
export const EPROTONOSUPPORT = 93
export const EOPNOTSUPP = 95
export const EADDRNOTAVAIL = 99
export const ENETUNREACH = 101
export const ENOBUFS = 105
export const ETIMEDOUT = 110
export const EHOSTUNREACH = 113
export const ECANCELED = 125

/** Errnos that libuv has no name for, or another than the kernel (95 is ENOTSUP there) (include/uapi/asm-generic/errno.h). */
const LINUX_ERRNOS: Readonly<Record<number, string>> = {
  34: 'ERANGE',
  61: 'ENODATA',
  62: 'ETIME',
  74: 'EBADMSG',
  76: 'EDOTDOT',
  85: 'ERESTART',
  93: 'EPROTONOSUPPORT',
  94: 'ESOCKTNOSUPPORT',
  95: 'EOPNOTSUPP',
  96: 'EPFNOSUPPORT',
  97: 'EAFNOSUPPORT'
}

/** The errno's name, `EEXIST` for 17; `E<number>` where this system knows none. */
export function errnoName(errno: number): string {
  try {
    const name = LINUX_ERRNOS[errno] ?? getSystemErrorName(-errno)
    return name.startsWith('Unknown') ? `E${errno}` : name
  } catch {
    return `E${errno}`
  }
}
