/** What stands beside the pages of the site. */
export const sidebar: readonly {
  readonly text: string
  readonly items: readonly { readonly text: string; readonly link: string }[]
}[]
