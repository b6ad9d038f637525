/** Versions are decimal numbers (KEP-5504), which may be larger than a number of JavaScript. Others are not compared. */
const DECIMAL = /^[0-9]+$/

/** Whether a version is known to be later than another one. */
export function isLater(version: string, than: string): boolean {
  if (!DECIMAL.test(version) || !DECIMAL.test(than)) return false
  return BigInt(version) > BigInt(than)
}

/** Whether a version says nothing new beside another one: it is that one, or an earlier one. */
export function isStale(version: string, beside: string | undefined): boolean {
  return beside !== undefined && (version === beside || isLater(beside, version))
}
