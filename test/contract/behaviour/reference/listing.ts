// Rulesets as `nft` lists them, in a form in which two can be compared.

/** A line for each rule (with its place in the chain), element and property; in no order. */
export function linesOfListing(listing: string): string[] {
  const lines: string[] = []
  let [table, block, at] = ['', '', 0]
  for (const raw of joined(listing)) {
    const line = raw.trim()
    if (line.startsWith('table ')) table = line
    else if (line === '}') block = ''
    else if (block === '') [block, at] = [line.replace(' {', ''), 0]
    else if (line.startsWith('elements')) lines.push(...elementsOf(line).map((element) => `${table} ${block}: ${element}`))
    else lines.push(`${table} ${block}: ${block.startsWith('chain') ? `${at++} ` : ''}${line}`)
    if (/^(set|map|chain) /.test(line)) lines.push(`${table} ${block}`)
  }
  return lines.sort()
}

/** Without hashes in names, and with elements in one line. */
function joined(listing: string): string[] {
  const plain = listing.replaceAll(/-[A-Z2-7]{8}-/g, '-')
  return plain
    .replaceAll(/,\n\s+/g, ', ')
    .split('\n')
    .filter((line) => line.trim() !== '')
}

const elementsOf = (line: string): string[] =>
  line
    .replace(/^elements = \{ /, '')
    .replace(/ \}$/, '')
    .split(', ')
