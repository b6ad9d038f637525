import { styleText } from 'node:util'

/** What the demo prints: headings, notes, bars. Colours only where somebody looks. */
const isColoured = process.stdout.isTTY

function style(format: Parameters<typeof styleText>[0], text: string): string {
  return isColoured ? styleText(format, text) : text
}

export function heading(text: string): void {
  console.log(`\n${style('bold', text)}`)
}

export function note(text: string): void {
  console.log(`  ${text}`)
}

export function dim(text: string): void {
  for (const line of text.split('\n')) console.log(`  ${style('gray', line)}`)
}

const BAR_WIDTH = 40

/** A bar for a part of a whole. */
export function bar(share: number): string {
  return style('green', '#'.repeat(Math.round(share * BAR_WIDTH)))
}

/** A row a backend: its name, how many connections it got, and a bar. */
export function spread(answers: Readonly<Record<string, number>>): void {
  const total = Object.values(answers).reduce((sum, count) => sum + count, 0)
  for (const [name, count] of Object.entries(answers).sort(([left], [right]) => left.localeCompare(right))) {
    const share = count / total
    console.log(`  ${name.padEnd(10)} ${String(count).padStart(5)}  ${(share * 100).toFixed(1).padStart(5)} %  ${bar(share)}`)
  }
}
