import { BlockList, isIP } from 'node:net'
import { formatAddress, parsePrefix } from 'netplane'
import { parseUrl } from './fields.js'

type Environment = Readonly<Record<string, string | undefined>>

function variable(env: Environment, name: string): string | undefined {
  return env[name] || env[name.toLowerCase()] || undefined
}

function isInPrefix(host: string, entry: string): boolean {
  const family = isIP(host)
  const prefix = entry.includes('/') && family !== 0 ? parsePrefix(entry) : undefined
  if (prefix === undefined) return false
  const list = new BlockList()
  list.addSubnet(formatAddress(prefix.address), prefix.length, prefix.address.length === 4 ? 'ipv4' : 'ipv6')
  return list.check(host, family === 4 ? 'ipv4' : 'ipv6')
}

/** One entry of `NO_PROXY`: a host and the hosts below it, hosts below one (with a dot in front), an address, a prefix, each with a port or without. */
function isExcepted(host: string, port: string, entry: string): boolean {
  if (entry === '*' || entry === host || isInPrefix(host, entry)) return true
  const [, name, onlyPort] = /^\[?(.*?)\]?(?::([0-9]+))?$/.exec(entry)!
  if (onlyPort !== undefined && isIP(entry) === 0 && onlyPort !== port) return false
  const base = name!.replace(/^\*?\./, '')
  return base !== '' && (host.endsWith(`.${base}`) || (host === base && base === name))
}

/** The proxy that the variables HTTPS_PROXY, HTTP_PROXY and NO_PROXY name for a server, as Go reads them: none for the loopback. @throws {ValidationError} */
export function proxyFromEnvironment(server: URL, env: Environment = process.env): URL | undefined {
  const name = server.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY'
  const proxy = variable(env, name)
  if (proxy === undefined) return undefined
  const host = server.hostname.replace(/^\[|\]$/g, '').toLowerCase()
  if (host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))) return undefined
  const port = server.port || (server.protocol === 'https:' ? '443' : '80')
  const entries = (variable(env, 'NO_PROXY') ?? '').split(',').map((entry) => entry.trim().toLowerCase())
  return entries.some((entry) => entry !== '' && isExcepted(host, port, entry)) ? undefined : parseUrl(name, proxy, 'proxy')
}
