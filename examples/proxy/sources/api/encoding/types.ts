/** An event of a watch: the parts of an object that a proxy reads, or a Status where `type` is `ERROR`. */
export interface WatchEvent {
  readonly type: unknown
  readonly object: unknown
}

/** Reads a list while it comes. */
export interface ListReader {
  /** The items that have come as wholes since the last call, each with the parts alone that a proxy reads. @throws LostError The bytes are no list. */
  add(piece: Buffer): readonly unknown[]
  /** The list as JSON has it, whose `items` are those that {@link ListReader.add} did not give. @throws LostError It is no list, or not all of one. */
  end(): unknown
}

/** Reads the events of a watch. */
export interface EventReader {
  /** The events that end in this piece. @throws LostError One cannot be understood: those before it have been given. */
  add(piece: Buffer): Iterable<WatchEvent>
}
