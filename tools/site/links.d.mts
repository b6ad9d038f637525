/** A link of a page to a file of the repository (`''`: the page itself), or to a heading. */
export interface Link {
  readonly target: string
  readonly file: string
  readonly anchor: string | undefined
  readonly line: number
}

/** What GitHub makes of the text of a heading: the anchor that leads to it. */
export function slug(heading: string): string

/** The anchors of a page: those of its headings, numbered where a heading is there again. */
export function anchorsOf(text: string): Set<string>

/** The links of a page to files of the repository and to headings, without those to the web. */
export function linksOf(text: string): Link[]

/** A page with other targets of its links; those in code stay. */
export function withTargets(text: string, change: (target: string) => string): string

/** What is wrong with the links of a page: `docs/ipvs.md:12: no file ipvsadm.md`. */
export function problemsOf(root: string, page: string, text?: string): string[]
