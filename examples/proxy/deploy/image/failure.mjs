/** Something that the image needs and that is not there, in words for the user. */
export class ImageError extends Error {}
