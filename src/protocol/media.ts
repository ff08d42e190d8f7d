import { limits } from "../limits.ts";
import { type ImageType, imageSize, imageTypes } from "./image-size.ts";

/** Images and documents as far as it matters how many of them go together. */

interface MediaBlock {
  type: "image" | "document";
  source: {
    type: string;
    media_type?: string;
    data?: string;
    /** Known of what is not at hand. */
    stored?: { chars: number; large: boolean };
  };
}

export interface Media {
  image: boolean;
  /** Of an image: has a side that is too long beside many others. One behind a URL counts as small. */
  large: boolean;
  /** What it takes of a request's size, in characters. */
  chars: number;
}

export function mediaOf({ type, source: { media_type, data = "", stored } }: MediaBlock): Media {
  if (stored) return { image: type === "image", large: stored.large, chars: stored.chars };
  const imageType = imageTypes.find((candidate) => candidate === media_type);
  return {
    image: type === "image",
    large: imageType !== undefined && isLarge(imageType, data),
    chars: data.length,
  };
}

function isLarge(type: ImageType, data: string): boolean {
  const size = imageSize(type, data);
  return size !== null && Math.max(size.width, size.height) > limits.images_many_side_px_max;
}

/** Some of them together. */
export interface Load {
  images: number;
  large: boolean;
  chars: number;
}

export const plus = (load: Load, { image, large, chars }: Media): Load => ({
  images: load.images + (image ? 1 : 0),
  large: load.large || large,
  chars: load.chars + chars,
});

export const loadOf = (media: readonly Media[]): Load =>
  media.reduce(plus, { images: 0, large: false, chars: 0 });

export type Excess = "chars" | "images" | "large_images";

/** Of what there is too much for one model request, of which it may fill that share. */
export function excessOf({ images, large, chars }: Load, share = 1): Excess | null {
  if (chars > limits.media_chars_max * share) return "chars";
  if (images > limits.images_max * share) return "images";
  return large && images > limits.images_many * share ? "large_images" : null;
}

/** What to do about it. */
export const excessAdvice: Record<Excess, string> = {
  images: `must hold at most ${limits.images_max} images`,
  large_images: `must hold at most ${limits.images_many} images, unless each is scaled so that no side is longer than ${limits.images_many_side_px_max} pixels`,
  chars: `must hold at most ${limits.media_chars_max >> 20} MB of images and documents together`,
};
