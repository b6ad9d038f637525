/** A frontend as `netplane watch -o json` shows it. */
export interface SeenFrontend {
  readonly address?: string
  readonly connectionsPerSecond?: number
  readonly endpoints: readonly { readonly address: string; readonly connectionsPerSecond?: number; readonly spread?: number }[]
}

/** A look. */
export interface SeenLook {
  readonly at: string
  readonly frontends: readonly SeenFrontend[]
  readonly notes: readonly string[]
}

/** The looks that were written so far. */
export function looksIn(text: string): SeenLook[] {
  // The last line may not be whole yet.
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as SeenLook)
}
