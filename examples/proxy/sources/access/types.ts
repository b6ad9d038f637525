/** What a client shows of itself. It is asked for before each request, as tokens and certificates are renewed. */
export interface Identity {
  /** Value of the header `Authorization`. */
  readonly authorization?: string | undefined
  /** Certificate and key of the client, in PEM. */
  readonly cert?: string | undefined
  readonly key?: string | undefined
  /** Whether a program gave them. */
  readonly isFromProgram?: true
}

/** How an API server is reached, and by whom. */
export interface ApiAccess {
  readonly server: URL
  /** Name in the certificate of the server, where it is another one than in the URL. */
  readonly tlsServerName: string | undefined
  readonly insecureSkipTlsVerify: boolean
  /** A proxy that leads there, with the names and passwords that it takes. */
  readonly proxy: URL | undefined
  /** Headers of impersonation. */
  readonly headers: Readonly<Record<string, string | string[]>>
  /** Certificates of authorities, in PEM; undefined: those of the system. @throws A file cannot be read. */
  readonly readAuthorities: () => Promise<string | undefined>
  /** @param signal Ends a program that is asked. @throws A file cannot be read, or a program does not give credentials. */
  readonly identify: (signal?: AbortSignal) => Promise<Identity>
  /** The server did not take the identity (401): the next one must not come from memory. */
  readonly refused: () => void
}
