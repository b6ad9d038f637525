import process from 'node:process'

/**
 * Whether what is missing may be installed on this machine: the environment variable NETPLANE_INSTALL, `yes` (as without it) or `no`.
 * @param {string | undefined} [setting]
 * @returns {boolean}
 */
export function mayInstall(setting = process.env.NETPLANE_INSTALL) {
  if (setting === undefined || setting === '' || setting === 'yes') return true
  if (setting === 'no') return false
  throw new Error(`NETPLANE_INSTALL is '${setting}'; allowed are yes and no`)
}
