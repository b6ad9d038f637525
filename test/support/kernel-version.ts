import { release } from 'node:os'

/** Whether the running kernel is older than a version such as `6.3`. */
export function isOlderThan(version: `${number}.${number}`): boolean {
  const [major = 0, minor = 0] = release().split('.').map(Number)
  const [wantedMajor, wantedMinor] = version.split('.').map(Number) as [number, number]
  return major < wantedMajor || (major === wantedMajor && minor < wantedMinor)
}
