export function describeFindings(folder: string, prefix: string, sinceMs: number): string[]
