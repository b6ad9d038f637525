/**
 * Events of carriers, among those of their plane.
 */
import { Broadcast } from '../../core/events/broadcast.js'
import type { PlaneEvent } from '../types.js'

/** Hands events on with the name of the carrier. They end with those of the plane. */
export class CarrierEvents extends Broadcast<PlaneEvent> {
  readonly #plane: Broadcast<PlaneEvent>
  readonly #carrier: string

  constructor(plane: Broadcast<PlaneEvent>, carrier: string) {
    super()
    this.#plane = plane
    this.#carrier = carrier
  }

  override push(event: PlaneEvent): void {
    this.#plane.push({ ...event, carrier: this.#carrier })
  }
}
